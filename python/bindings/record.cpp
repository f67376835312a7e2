#include "record.hpp"

#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <string_view>

#include "llmdit/config.hpp"

namespace llmdit::python {
namespace {

constexpr py::ssize_t longest_list = 8;
constexpr size_t longest_text = 80;

std::string tensor_repr(const at::Tensor& tensor) {
  if (!tensor.defined()) return "None";
  std::string text = "<" + py::cast<std::string>(py::str(py::cast(tensor.scalar_type()))) + " [";
  for (int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]>";
}

// What older files and other programs call options, but for their flags and keys here, which the tables know.
constexpr std::pair<std::string_view, std::string_view> other_names[] = {
    {"num_steps", "num_inference_steps"},
    {"cfg_scale", "guidance_scale"},
    {"num_images", "num_images_per_prompt"},
    {"enable_thinking", "force_think_block"},
    {"default_template", "template"},
    {"tiled_vae", "vae_tiling"},
    {"default_alpha", "vl_alpha"},
    {"default_hidden_layer", "vl_hidden_layer"},
    {"load_in_8bit", "quantization"},
    {"load_in_4bit", "quantization"},
    {"flash_attn", "attention_backend"},
    {"enable_model_cpu_offload", "cpu_offload"},
    {"enable_sequential_cpu_offload", "cpu_offload"},
    {"max_tokens", "max_new_tokens"},
};

std::string underscored(std::string_view flag) {
  std::string name(flag);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Which of the accepted names is meant: by the flag or the key of an option, by what others call it, or by a slip.
std::string likely_name(const std::string& name, const std::vector<std::string>& accepted) {
  std::vector<std::string> meant;
  for (const Setting& setting : settings()) {
    const bool is_key = name == setting.key.substr(setting.key.find('.') + 1);
    if (is_key || name == underscored(setting.field->flag)) meant.emplace_back(setting.field->name);
  }
  for (const auto& [other, own] : other_names) {
    if (name == other) meant.emplace_back(own);
  }
  for (const std::string& option : meant) {
    if (std::find(accepted.begin(), accepted.end(), option) != accepted.end()) return option;
  }
  std::string_view guess = nearest_name(name, std::vector<std::string_view>(accepted.begin(), accepted.end()));
  for (size_t i = 0; i < accepted.size() && guess.empty(); ++i) {
    if (("_" + accepted[i] + "_").find("_" + name + "_") != std::string::npos) guess = accepted[i];
  }
  return std::string(guess);
}

}  // namespace

std::string short_repr(py::handle value) {
  if (THPVariable_Check(value.ptr())) return tensor_repr(THPVariable_Unpack(value.ptr()));
  if (py::isinstance<py::list>(value)) {
    const auto list = py::reinterpret_borrow<py::list>(value);
    const auto shown = std::min<py::ssize_t>(static_cast<py::ssize_t>(list.size()), longest_list);
    std::string text = "[";
    for (py::ssize_t i = 0; i < shown; ++i) text += (i ? ", " : "") + short_repr(list[static_cast<size_t>(i)]);
    if (shown < static_cast<py::ssize_t>(list.size())) text += ", ... " + std::to_string(list.size()) + " in all";
    return text + "]";
  }
  if (py::isinstance<py::str>(value) && py::len(value) > longest_text) {
    const auto start = py::reinterpret_steal<py::str>(PyUnicode_Substring(value.ptr(), 0, longest_text - 3));
    return py::cast<std::string>(py::repr(start + py::str("...")));
  }
  return py::cast<std::string>(py::repr(value));
}

void unexpected_keyword(const std::string& name, const std::vector<std::string>& accepted) {
  std::string text = "unexpected keyword argument '" + name + "'";
  if (const std::string guess = likely_name(name, accepted); !guess.empty()) {
    text += "; did you mean '" + guess + "'?";
  } else {
    text += "; known are ";
    for (size_t i = 0; i < accepted.size(); ++i) text += (i ? ", " : "") + accepted[i];
  }
  throw py::type_error(text);
}

}  // namespace llmdit::python
