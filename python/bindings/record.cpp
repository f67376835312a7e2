#include "record.hpp"

#include <torch/csrc/Generator.h>
#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <string_view>

#include "llmdit/config.hpp"

namespace llmdit::python {
namespace {

constexpr size_t longest_list = 8;
constexpr size_t longest_text = 80;
constexpr size_t longest_line = 600;  // after which a list shows no further items

std::string tensor_repr(const at::Tensor& tensor) {
  if (!tensor.defined()) return "None";
  std::string text = "<" + py::cast<std::string>(py::str(py::cast(tensor.scalar_type()))) + " [";
  for (int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]>";
}

/// The first of `count` items, and how many there are.
template <class Item>
std::string items_repr(size_t count, Item&& item) {
  std::string text;
  size_t shown = 0;
  for (; shown < count && shown < longest_list && text.size() < longest_line; ++shown)
    text += (shown == 0 ? "" : ", ") + item(shown);
  return shown == count ? text : text + ", ... " + std::to_string(count) + " in all";
}

std::string dict_repr(const py::dict& dict) {
  const py::list items(dict.attr("items")());
  const auto item = [&](size_t i) {
    const py::tuple pair = items[i];
    return short_repr(pair[0]) + ": " + short_repr(pair[1]);
  };
  return "{" + items_repr(items.size(), item) + "}";
}

/// Where an object lies says nothing to people, and is another place each time.
std::string without_addresses(std::string text) {
  constexpr std::string_view mark = " at 0x";
  for (size_t start = text.find(mark); start != text.npos; start = text.find(mark, start)) {
    const size_t end = text.find_first_not_of("0123456789abcdefABCDEF", start + mark.size());
    text.erase(start, std::min(end, text.size()) - start);
  }
  return text;
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
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    const auto items = py::reinterpret_borrow<py::sequence>(value);
    const std::string text = items_repr(items.size(), [&](size_t i) { return short_repr(py::object(items[i])); });
    if (py::isinstance<py::list>(value)) return "[" + text + "]";
    return "(" + text + (items.size() == 1 ? ",)" : ")");
  }
  if (py::isinstance<py::dict>(value)) return dict_repr(py::reinterpret_borrow<py::dict>(value));
  if (py::isinstance<py::str>(value) && py::len(value) > longest_text) {
    const auto start = py::reinterpret_steal<py::str>(PyUnicode_Substring(value.ptr(), 0, longest_text - 3));
    return py::cast<std::string>(py::repr(start + py::str("...")));
  }
  if (THPGenerator_Check(value.ptr())) {
    return py::cast<std::string>(
        py::str("<torch.Generator on {}, seed {}>").format(value.attr("device"), value.attr("initial_seed")()));
  }
  return without_addresses(py::cast<std::string>(py::repr(value)));
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
