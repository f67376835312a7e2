#include "record.hpp"

#include <torch/csrc/autograd/python_variable.h>

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
  const py::list close = py::module_::import("difflib").attr("get_close_matches")(name, accepted, py::arg("n") = 1,
                                                                                  py::arg("cutoff") = 0.5);
  if (!close.empty()) {
    text += "; did you mean '" + py::cast<std::string>(close[0]) + "'?";
  } else {
    text += "; known are ";
    for (size_t i = 0; i < accepted.size(); ++i) text += (i ? ", " : "") + accepted[i];
  }
  throw py::type_error(text);
}

}  // namespace llmdit::python
