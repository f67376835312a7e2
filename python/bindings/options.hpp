#pragma once

#include "llmdit/options.hpp"

#include <string>
#include <vector>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

/// A Python value as `field` takes it. Integers may be NumPy's, numbers anything with __float__; a torch.dtype or
/// torch.device stands for its name. Raises TypeError for another type.
OptionValue from_python(const OptionField& field, py::handle value);

py::object to_python(const OptionValue& value);

/// "help (unit, bounds); default".
std::string meaning(const OptionField& field, const OptionValue& default_value);

/// "name=default: help (unit, bounds)".
std::string describe(const OptionField& field, const OptionValue& default_value);

std::vector<std::string> names_of(std::span<const OptionField> fields);

template <class Options>
void set_from_python(Options& options, const OptionField& field, py::handle value) {
  const Options defaults;
  // None means "not given", also where the struct has a plain default.
  field.set(&options, value.is_none() ? field.get(&defaults) : check_value(field, from_python(field, value)));
}

/// Sets what `keywords` name. TypeError for an unknown name or a wrong type, InvalidArgument for a value out of bounds.
template <class Options>
Options options_from(const py::kwargs& keywords) {
  Options options;
  const auto fields = option_fields<Options>();
  for (auto [key, value] : keywords) {
    const auto name = py::cast<std::string>(key);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const OptionField& f) { return f.name == name; });
    if (field == fields.end()) unexpected_keyword(name, names_of(fields));
    set_from_python(options, *field, value);
  }
  return options;
}

/// One line a field, for docstrings.
template <class Options>
std::string options_doc() {
  const Options defaults;
  std::string text;
  for (const OptionField& field : option_fields<Options>()) text += "\n    " + describe(field, field.get(&defaults));
  return text;
}

/// What holds for the attributes of an option class.
inline constexpr const char* table_doc =
    "Attributes take None for their default. Raises TypeError for a value of another type, InvalidArgument for one "
    "that\n"
    "is out of bounds.";

/// The attributes that stand in the table, and `fields()` that lists it.
template <class Options>
void add_table(py::class_<Options>& cls) {
  const Options defaults;
  for (const OptionField& field : option_fields<Options>()) {
    cls.def_property(
        std::string(field.name).c_str(), [&field](const Options& self) { return to_python(field.get(&self)); },
        [&field](Options& self, py::object value) { set_from_python(self, field, value); },
        meaning(field, field.get(&defaults)).c_str());
  }
  cls.def_static(
      "fields",
      [] {
        std::vector<OptionField> fields;
        for (const OptionField& field : option_fields<Options>()) fields.push_back(field);
        return fields;
      },
      "The table the options are made from: a list of OptionField.");
}

/// The table's fields that are not at their default, by name.
template <class Options>
py::dict changed_values(const Options& options) {
  const Options defaults;
  py::dict values;
  for (const OptionField& field : option_fields<Options>()) {
    const OptionValue value = field.get(&options);
    if (value != field.get(&defaults)) values[py::str(field.name)] = to_python(value);
  }
  return values;
}

/// The same as "name=value, ...".
template <class Options>
std::string changed_fields(const Options& options) {
  std::string text;
  for (auto [name, value] : changed_values(options))
    text += (text.empty() ? "" : ", ") + py::cast<std::string>(name) + "=" + short_repr(value);
  return text;
}

}  // namespace llmdit::python
