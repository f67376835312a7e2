#include "llmdit/demo_model.hpp"

#include "bindings.hpp"

namespace llmdit::python {

void bind_demo_model(py::module_& m) {
  m.def("demo_model_path", &demo_model_path,
        "The folder of the tiny model that comes with the library; LLMDIT_DEMO_MODEL names another one.\n"
        "Raises NotFound, naming the places looked at, where there is none.");
}

}  // namespace llmdit::python
