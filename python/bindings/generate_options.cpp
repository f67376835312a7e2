#include "generate_options.hpp"

#include <map>
#include <memory>

#include "bindings.hpp"
#include "chat.hpp"
#include "image.hpp"
#include "options.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

/// A Python callable as a StepCallback. Copies share it, so that they can be made and dropped without the GIL.
class PythonStep {
 public:
  explicit PythonStep(py::object function)
      : function_(new py::object(std::move(function)), [](py::object* last) {
          py::gil_scoped_acquire locked;
          delete last;
        }) {}

  const py::object& function() const { return *function_; }

  bool operator()(const StepInfo& info) const {
    py::gil_scoped_acquire locked;
    const py::object answer = (*function_)(info);
    if (answer.is_none()) return false;
    py::detail::make_caster<bool> stop;
    // Only a bool: a callback that happens to return a value must not stop the run.
    if (!stop.load(answer, /*convert=*/false)) {
      throw py::type_error("on_step returns True to stop, or False or None to go on, not " + short_repr(answer));
    }
    return static_cast<bool>(stop);
  }

 private:
  std::shared_ptr<py::object> function_;
};

py::object step_function(const GenerateOptions& options) {
  const auto* step = options.on_step.target<PythonStep>();
  return step ? step->function() : py::none();
}

void set_step_function(GenerateOptions& options, const py::object& function) {
  if (!PyCallable_Check(function.ptr())) throw py::type_error("on_step takes a callable, got " + short_repr(function));
  options.on_step = PythonStep(function);
}

/// A field that stands in no table: tensors and callables.
struct RuntimeField {
  const char* help;
  std::function<py::object(const GenerateOptions&)> get;
  std::function<void(GenerateOptions&, const py::object&)> set;
  std::function<void(GenerateOptions&)> reset;
};

/// Tensors over the memory of arrays, also in a list; anything else as it is.
py::object tensors_of(const py::object& value) {
  return py::module_::import("llmdit._arrays").attr("as_tensors")(value);
}

/// One tensor a prompt.
py::object rows_of(const py::object& value) { return py::module_::import("llmdit._arrays").attr("as_rows")(value); }

template <class T>
RuntimeField runtime_field(std::optional<T> GenerateOptions::* member, const char* wanted, const char* help,
                           py::object (*convert)(const py::object&) = tensors_of) {
  return {help, [member](const GenerateOptions& options) { return py::cast(options.*member); },
          [member, wanted, convert](GenerateOptions& options, const py::object& value) {
            try {
              options.*member = py::cast<T>(convert(value));
            } catch (const py::cast_error&) {
              throw py::type_error(std::string("expected ") + wanted + ", got " + short_repr(value));
            }
          },
          [member](GenerateOptions& options) { (options.*member).reset(); }};
}

py::object generators_of(const GenerateOptions& options) {
  if (options.generators.empty()) return py::none();
  return options.generators.size() == 1 ? py::cast(options.generators.front()) : py::cast(options.generators);
}

void set_generators(GenerateOptions& options, const py::object& value) {
  try {
    const bool several = py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value);
    options.generators = several ? py::cast<std::vector<at::Generator>>(value)
                                 : std::vector<at::Generator>{py::cast<at::Generator>(value)};
  } catch (const py::cast_error&) {
    throw py::type_error("expected generator as a torch.Generator or a list of them, got " + short_repr(value));
  }
}

/// A tensor, an Image, or what the package makes one of these from.
PictureInput picture_from(const py::object& value, bool is_mask) {
  py::object picture = value;
  if (!py::isinstance<Image>(value)) {
    picture = py::module_::import("llmdit._pictures").attr("as_picture")(value, py::arg("is_mask") = is_mask);
  }
  if (py::isinstance<Image>(picture)) return py::cast<Image>(picture);
  return py::cast<at::Tensor>(picture);
}

RuntimeField picture_field(std::optional<PictureInput> GenerateOptions::* member, const char* help) {
  const bool is_mask = member == &GenerateOptions::mask_image;
  return {help, [member](const GenerateOptions& options) { return py::cast(options.*member); },
          [member, is_mask](GenerateOptions& options, const py::object& value) {
            options.*member = picture_from(value, is_mask);
          },
          [member](GenerateOptions& options) { (options.*member).reset(); }};
}

void set_template(GenerateOptions& options, const py::object& value) {
  if (!py::isinstance<Template>(value)) throw py::type_error("expected a Template, got " + short_repr(value));
  options.chat.prompt_template = py::cast<Template>(value);
}

const std::map<std::string, RuntimeField>& runtime_fields() {
  static const std::map<std::string, RuntimeField> fields = {
      {"latents", runtime_field(&GenerateOptions::latents, "latents as a torch.Tensor",
                                "initial latents [batch, channels, h, w]; they set the size")},
      {"prompt_embeds",
       runtime_field(&GenerateOptions::prompt_embeds, "prompt_embeds as a list of torch.Tensor",
                     "one [tokens, hidden_size] a prompt, or an EncodingOutput, instead of prompts", rows_of)},
      {"negative_prompt_embeds",
       runtime_field(&GenerateOptions::negative_prompt_embeds, "negative_prompt_embeds as a list of torch.Tensor",
                     "one [tokens, hidden_size] for all prompts, or one a prompt; or an EncodingOutput", rows_of)},
      {"generator",
       {"draws the noise of the whole batch instead of seed; a list has one for each picture", generators_of,
        set_generators, [](GenerateOptions& options) { options.generators.clear(); }}},
      {"image",
       picture_field(&GenerateOptions::image,
                     "a picture to start from: path, Pillow, array of uint8 [height, width, 3], or float tensor "
                     "[3, height, width] in 0..1")},
      {"mask_image", picture_field(&GenerateOptions::mask_image,
                                   "where the image is painted anew, as image; from half gray on to white")},
      {"vl_image",
       {"reference picture that the prompt's embeddings are blended with, as image",
        [](const GenerateOptions& options) { return py::cast(options.vl_image); },
        [](GenerateOptions& options, const py::object& value) { options.vl_image = any_image_from(value); },
        [](GenerateOptions& options) { options.vl_image.reset(); }}},
      {"prompt_template",
       {"a Template; counts unless `template` names another",
        [](const GenerateOptions& options) { return py::cast(options.chat.prompt_template); }, set_template,
        [](GenerateOptions& options) { options.chat.prompt_template.reset(); }}},
      {"on_step",
       {"called with a StepInfo after each step; returning True stops", step_function, set_step_function,
        [](GenerateOptions& options) { options.on_step = nullptr; }}},
  };
  return fields;
}

void set_runtime(GenerateOptions& options, const RuntimeField& field, const py::object& value) {
  value.is_none() ? field.reset(options) : field.set(options, value);
}

GenerateOptions from_keywords(const py::kwargs& given) {
  const py::kwargs keywords = plain_template_keywords(given);
  py::kwargs plain;
  GenerateOptions runtime;
  for (auto [key, value] : keywords) {
    const auto field = runtime_fields().find(py::cast<std::string>(key));
    if (field == runtime_fields().end()) {
      plain[key] = value;
    } else {
      set_runtime(runtime, field->second, py::reinterpret_borrow<py::object>(value));
    }
  }
  GenerateOptions options = options_from<GenerateOptions>(plain);
  for (const auto& [name, field] : runtime_fields()) set_runtime(options, field, field.get(runtime));
  return options;
}

/// The keywords that make the same options.
py::dict keywords_of(const GenerateOptions& options) {
  py::dict keywords = changed_values(options);
  for (const auto& [name, field] : runtime_fields()) {
    const py::object value = field.get(options);
    if (!value.is_none()) keywords[py::str(name)] = value;
  }
  return keywords;
}

std::string options_repr(const GenerateOptions& options) {
  std::string text;
  for (auto [name, value] : keywords_of(options))
    text += (text.empty() ? "" : ", ") + py::cast<std::string>(name) + "=" + short_repr(value);
  return "GenerateOptions(" + text + ")";
}

}  // namespace

RunningOptions::RunningOptions(const GenerateOptions& options) : options_(options) {
  options_.on_step = [this, user = options.on_step](const StepInfo& info) { return after_step(user, info); };
}

bool RunningOptions::after_step(const StepCallback& user, const StepInfo& info) {
  if (RunningCall::stopping()) return true;
  py::gil_scoped_acquire locked;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!user) return false;
    const c10::InferenceMode off(false);  // the callback is the caller's code
    StepInfo own = info;
    own.latents = info.latents.clone();  // writing to it must do no harm
    return user(own);
  } catch (...) {
    raised_ = std::current_exception();
    return true;
  }
}

void bind_generate_options(py::module_& m) {
  Record<StepInfo>(m, "StepInfo", "Where a denoising loop stands, after a step.")
      .read_only("step", &StepInfo::step, "From 0.")
      .read_only("total", &StepInfo::total, "Number of steps.")
      .read_only("sigma", &StepInfo::sigma, "Noise level of `latents`, 1 noise to 0 picture.")
      .read_only("latents", &StepInfo::latents, "[batch, channels, h, w] float32, after the step; a copy.");

  std::string doc = "Keywords, of which None is \"not given\":" + options_doc<GenerateOptions>();
  for (const auto& [name, field] : runtime_fields()) doc += "\n    " + name + "=None: " + field.help;
  py::class_<GenerateOptions> cls(
      m, "GenerateOptions",
      (std::string("The options of one generation, e.g. to keep and use several times.\n") + table_doc).c_str());
  cls.def(py::init(&from_keywords), doc.c_str());
  add_table(cls);
  for (const auto& [name, field] : runtime_fields()) {
    cls.def_property(
        name.c_str(), [&field](const GenerateOptions& self) { return field.get(self); },
        [&field](GenerateOptions& self, const py::object& value) { set_runtime(self, field, value); }, field.help);
  }
  cls.def_static(
      "runtime_fields",
      [] {
        std::map<std::string, std::string> help;
        for (const auto& [name, field] : runtime_fields()) help.emplace(name, field.help);
        return help;
      },
      "Name and meaning of the attributes that stand in no table: tensors and callables.");
  cls.def("__copy__", [](const GenerateOptions& self) { return GenerateOptions(self); });
  cls.def(py::pickle(&keywords_of, [](const py::dict& keywords) {
    return from_keywords(py::reinterpret_borrow<py::kwargs>(keywords));
  }));
  cls.def("__repr__", &options_repr);
}

}  // namespace llmdit::python
