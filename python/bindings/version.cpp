#include "llmdit/version.hpp"

#include <string>

#include "bindings.hpp"

namespace llmdit::python {

void bind_version(py::module_& m) {
  m.attr("__version__") = std::string(version());
  m.attr("torch_version") = std::string(torch_version());
}

}  // namespace llmdit::python
