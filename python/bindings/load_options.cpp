#include "llmdit/load_options.hpp"

#include "bindings.hpp"
#include "options.hpp"

namespace llmdit::python {

void bind_load_options(py::module_& m) {
  py::class_<LoadOptions> cls(m, "LoadOptions",
                              (std::string("Where and how the weights of a model are kept.\n") + table_doc).c_str());
  cls.def(py::init([](const py::kwargs& keywords) { return options_from<LoadOptions>(keywords); }),
          ("Keywords, of which None is \"not given\":" + options_doc<LoadOptions>()).c_str());
  add_table(cls);
  cls.def(py::pickle(&changed_values<LoadOptions>, [](const py::dict& values) {
    return options_from<LoadOptions>(py::reinterpret_borrow<py::kwargs>(values));
  }));
  cls.def("__repr__", [](const LoadOptions& self) { return "LoadOptions(" + changed_fields(self) + ")"; });
}

}  // namespace llmdit::python
