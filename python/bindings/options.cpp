#include "options.hpp"

#include <limits>

#include "layer_weights.hpp"
#include "llmdit/config.hpp"
#include "llmdit/error.hpp"
#include "llmdit/generate_options.hpp"

namespace llmdit::python {
namespace {

const char* wanted(OptionKind kind) {
  switch (kind) {
    case OptionKind::boolean:
      return "True or False";
    case OptionKind::integer:
    case OptionKind::unsigned_integer:
      return "an integer";
    case OptionKind::number:
      return "a number";
    case OptionKind::text:
    case OptionKind::choice:
      return "a string";
    case OptionKind::numbers:
      return "a sequence of numbers";
    case OptionKind::texts:
      return "a sequence of strings";
  }
  return "a value";
}

[[noreturn]] void wrong_type(const OptionField& field, py::handle value) {
  const bool is_mix = field.name == "layer_weights";
  throw py::type_error(std::string(field.name) + " takes " +
                       (is_mix ? "{layer: weight} or a string" : wanted(field.kind)) + ", got " + short_repr(value) +
                       " of type " + Py_TYPE(value.ptr())->tp_name);
}

/// Whether Python would take the value as an index: int and NumPy's integers, but neither bool nor float.
bool is_integer(py::handle value) { return PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()); }

OptionValue integer_from(const OptionField& field, py::handle value) {
  if (!is_integer(value)) wrong_type(field, value);
  const auto index = py::reinterpret_steal<py::int_>(PyNumber_Index(value.ptr()));
  if (!index) throw py::error_already_set();
  int overflow = 0;
  const int64_t number = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow == 0) return number;
  if (overflow > 0) {
    const uint64_t natural = PyLong_AsUnsignedLongLong(index.ptr());
    if (!PyErr_Occurred()) return natural;
    PyErr_Clear();
  }
  throw Error(ErrorCode::invalid_argument, "[" + std::string(field.name) + "] expected an integer of 64 bits, got " +
                                               py::cast<std::string>(py::str(value)));
}

double number_from(const OptionField& field, py::handle value) {
  const PyNumberMethods* methods = Py_TYPE(value.ptr())->tp_as_number;
  const bool has_float = methods && methods->nb_float;
  if (PyBool_Check(value.ptr()) || !(has_float || is_integer(value))) wrong_type(field, value);
  const auto number = py::reinterpret_steal<py::float_>(PyNumber_Float(value.ptr()));
  if (!number) throw py::error_already_set();
  return number;
}

std::string text_from(const OptionField& field, py::handle value) {
  // A mix of layers stands as text in the table, and is a dict to people.
  if (field.name == "layer_weights" && py::isinstance<py::dict>(value)) {
    py::detail::make_caster<LayerWeights> weights;
    if (!weights.load(value, /*convert=*/true)) wrong_type(field, value);
    return weights_text(py::detail::cast_op<LayerWeights&>(weights));
  }
  if (field.kind == OptionKind::choice && py::isinstance(value, py::module_::import("enum").attr("Enum"))) {
    return py::cast<std::string>(value.attr("name"));
  }
  if (THPDtype_Check(value.ptr())) {
    const auto name = py::cast<std::string>(py::str(value));
    return name.substr(name.find('.') + 1);
  }
  if (THPDevice_Check(value.ptr())) return py::cast<std::string>(py::str(value));
  if (py::hasattr(value, "__fspath__")) return py::cast<std::string>(py::str(value.attr("__fspath__")()));
  if (!py::isinstance<py::str>(value)) wrong_type(field, value);
  return py::cast<std::string>(value);
}

std::vector<double> numbers_from(const OptionField& field, py::handle value) {
  if (py::isinstance<py::str>(value) || py::isinstance<py::bytes>(value) || !py::isinstance<py::iterable>(value)) {
    wrong_type(field, value);
  }
  std::vector<double> numbers;
  for (py::handle item : py::reinterpret_borrow<py::iterable>(value)) numbers.push_back(number_from(field, item));
  return numbers;
}

std::vector<std::string> texts_from(const OptionField& field, py::handle value) {
  if (py::isinstance<py::str>(value)) return {py::cast<std::string>(value)};
  if (py::isinstance<py::bytes>(value) || !py::isinstance<py::iterable>(value)) wrong_type(field, value);
  std::vector<std::string> texts;
  for (py::handle item : py::reinterpret_borrow<py::iterable>(value)) texts.push_back(text_from(field, item));
  return texts;
}

bool flag_from(const OptionField& field, py::handle value) {
  py::detail::make_caster<bool> flag;
  if (!flag.load(value, /*convert=*/false)) wrong_type(field, value);  // True, False and NumPy's
  return static_cast<bool>(flag);
}

std::string bounds_text(const OptionField& field) {
  if (field.kind == OptionKind::choice) {
    std::string text;
    for (std::string_view choice : field.choices) text += (text.empty() ? "" : " | ") + std::string(choice);
    return text;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const auto number = [](double value) { return to_string(OptionValue(value)); };
  std::string text;
  if (field.minimum != -infinity && field.maximum != infinity) {
    text = number(field.minimum) + " to " + number(field.maximum);
  } else if (field.minimum != -infinity) {
    text = "at least " + number(field.minimum);
  } else if (field.maximum != infinity) {
    text = "at most " + number(field.maximum);
  }
  if (!field.unit.empty()) text += (text.empty() ? "" : " ") + std::string(field.unit);
  return text;
}

std::string help_with_bounds(const OptionField& field) {
  const std::string bounds = bounds_text(field);
  return std::string(field.help) + (bounds.empty() ? "" : " (" + bounds + ")");
}

/// The field of a table that Python shows; null where this version has none of these names.
const OptionField* find_option(std::string_view section, std::string_view name) {
  const auto is_it = [&](const OptionField& field) { return field.section == section && field.name == name; };
  for (const Setting& setting : settings()) {
    if (is_it(*setting.field)) return setting.field;
  }
  for (const OptionField& field : option_fields<GenerateOptions>()) {  // one of which is no setting
    if (is_it(field)) return &field;
  }
  return nullptr;
}

OptionField field_from_state(const py::tuple& state) {
  const auto section = py::cast<std::string>(state[0]), name = py::cast<std::string>(state[1]);
  const OptionField* field = find_option(section, name);
  if (!field) throw py::value_error("this version has no option '" + name + "' of the section '" + section + "'");
  return *field;
}

}  // namespace

OptionValue from_python(const OptionField& field, py::handle value) {
  switch (field.kind) {
    case OptionKind::boolean:
      return flag_from(field, value);
    case OptionKind::integer:
    case OptionKind::unsigned_integer:
      return integer_from(field, value);
    case OptionKind::number:
      return number_from(field, value);
    case OptionKind::text:
    case OptionKind::choice:
      return text_from(field, value);
    case OptionKind::numbers:
      return numbers_from(field, value);
    case OptionKind::texts:
      return texts_from(field, value);
  }
  wrong_type(field, value);
}

py::object to_python(const OptionValue& value) {
  return std::visit(
      [](const auto& content) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(content)>, std::monostate>) {
          return py::none();
        } else {
          return py::cast(content);
        }
      },
      value);
}

std::string meaning(const OptionField& field, const OptionValue& default_value) {
  std::string text = help_with_bounds(field);
  if (!field.optional) text += "; default " + short_repr(to_python(default_value));
  return text;
}

std::string describe(const OptionField& field, const OptionValue& default_value) {
  return std::string(field.name) + "=" + short_repr(to_python(default_value)) + ": " + help_with_bounds(field);
}

std::vector<std::string> names_of(std::span<const OptionField> fields) {
  std::vector<std::string> names;
  for (const OptionField& field : fields) names.emplace_back(field.name);
  return names;
}

void bind_options(py::module_& m) {
  m.def("_unexpected_keyword", &unexpected_keyword, py::arg("name"), py::arg("accepted"));
  m.def("_short_repr", &short_repr, py::arg("value"));
  m.def("_nearest_name", [](const std::string& word, const std::vector<std::string>& known) {
    return std::string(nearest_name(word, std::vector<std::string_view>(known.begin(), known.end())));
  });
  py::native_enum<OptionKind>(m, "OptionKind", "enum.Enum", "The type of an option.")
      .value("boolean", OptionKind::boolean)
      .value("integer", OptionKind::integer)
      .value("unsigned_integer", OptionKind::unsigned_integer)
      .value("number", OptionKind::number)
      .value("text", OptionKind::text)
      .value("choice", OptionKind::choice)
      .value("numbers", OptionKind::numbers)
      .value("texts", OptionKind::texts)
      .finalize();

  py::class_<OptionField>(m, "OptionField", "One field of an option class: what front ends are made from.")
      .def_property_readonly(
          "name", [](const OptionField& self) { return std::string(self.name); }, "As an attribute and a keyword.")
      .def_property_readonly(
          "section", [](const OptionField& self) { return std::string(self.section); },
          "Its table in a configuration file; '' for none.")
      .def_property_readonly(
          "key", [](const OptionField& self) { return std::string(self.key); }, "Its name in that table.")
      .def_property_readonly(
          "flag", [](const OptionField& self) { return std::string(self.flag); },
          "On the command line, without the dashes.")
      .def_property_readonly(
          "unit", [](const OptionField& self) { return std::string(self.unit); }, "E.g. 'pixels'; '' for none.")
      .def_property_readonly(
          "help", [](const OptionField& self) { return std::string(self.help); }, "Its meaning, in one line.")
      .def_readonly("kind", &OptionField::kind, "An OptionKind: the type of its values.")
      .def_readonly("optional", &OptionField::optional, "May be None, which differs from 0 and ''.")
      .def_readonly("minimum", &OptionField::minimum, "The least number, inclusive; -inf where there is none.")
      .def_readonly("maximum", &OptionField::maximum, "The greatest number, inclusive; inf where there is none.")
      .def_property_readonly(
          "choices",
          [](const OptionField& self) { return std::vector<std::string>(self.choices.begin(), self.choices.end()); },
          "The names that a choice takes; empty for other kinds.")
      .def(py::pickle(
          [](const OptionField& self) { return py::make_tuple(std::string(self.section), std::string(self.name)); },
          &field_from_state))
      .def("__repr__", [](const OptionField& self) {
        const std::string bounds = bounds_text(self);
        return "<OptionField " + std::string(self.name) + ": " + wanted(self.kind) +
               (bounds.empty() ? "" : ", " + bounds) + ">";
      });
}

}  // namespace llmdit::python
