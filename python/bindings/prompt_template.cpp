#include "llmdit/prompt_template.hpp"

#include "bindings.hpp"
#include "llmdit/error.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

const Template& item(const TemplateRegistry& self, const std::string& name) {
  try {
    return self.at(name);
  } catch (const Error& error) {  // a mapping's own exception
    throw py::key_error(error.what());
  }
}

void bind_registry(py::module_& m) {
  py::class_<TemplateRegistry>(m, "TemplateRegistry", "Templates by name, in the order of their names.")
      .def(py::init())
      .def_static(
          "standard", &TemplateRegistry::standard, py::arg("own_folder") = "", NoGil(),
          "The built-in templates, over them those of the user's own folder where there is one, over them those\n"
          "of `own_folder` where given.")
      .def("add", &TemplateRegistry::add, py::arg("template"), "A name that is there already is an error.")
      .def("load_file", &TemplateRegistry::load_file, py::arg("path"), NoGil(),
           "Adds the template of a *.md file; raises Unsupported where it is none.")
      .def("load_directory", &TemplateRegistry::load_directory, py::arg("folder"), NoGil(),
           "Adds every *.md below a folder and returns their number; all of them or none.")
      .def("overlay", &TemplateRegistry::overlay, py::arg("other"),
           "Adds all of another registry, in the place of those of the same name.")
      .def(
          "get", [](const TemplateRegistry& self, const std::string& name) { return self.find(name); }, py::arg("name"),
          py::return_value_policy::copy, "None for an unknown name.")
      .def("list_names", &TemplateRegistry::names, "All, sorted.")
      .def("list_by_category", &TemplateRegistry::in_category, py::arg("category"), "Names, sorted.")
      .def_property_readonly("categories", &TemplateRegistry::categories, "Sorted, without the empty one.")
      .def("search", &TemplateRegistry::search, py::arg("words"),
           "The names of those that hold every word in their name, category, description or text.")
      .def("__getitem__", &item, py::arg("name"), py::return_value_policy::copy)
      .def(
          "__contains__",
          [](const TemplateRegistry& self, const std::string& name) { return self.find(name) != nullptr; },
          py::arg("name"))
      .def("__iter__", [](const TemplateRegistry& self) { return py::iter(py::cast(self.names())); })
      .def("__len__", &TemplateRegistry::size)
      .def("__repr__", [](const TemplateRegistry& self) {
        return "<llmdit.TemplateRegistry of " + std::to_string(self.size()) + " templates>";
      });
}

}  // namespace

void bind_prompt_template(py::module_& m) {
  Record<Template>(m, "Template", "What stands around a prompt in the chat text, kept under a name.")
      .read_write("name", &Template::name)
      .read_write("description", &Template::description, "One line.")
      .read_write("category", &Template::category)
      .read_write("system_prompt", &Template::system_prompt)
      .read_write("thinking_content", &Template::thinking_content)
      .read_write("assistant_content", &Template::assistant_content)
      .read_write("add_think_block", &Template::add_think_block, "An empty think block.")
      .read_write("metadata", &Template::metadata, "Every other key of the file's front matter.")
      .read_write("path", &Template::path, "Its file; empty when made otherwise.")
      .constructible()
      .comparable();
  bind_registry(m);
  m.def("load_template", &load_template, py::arg("path"), NoGil(),
        "Reads one Markdown file with YAML front matter; without any, all of it is the system prompt.");
  m.def("builtin_templates_path", &builtin_templates_path,
        "The folder of the templates that come with the library; LLMDIT_TEMPLATES names another one.");
  m.def("user_templates_path", &user_templates_path,
        "Where a user keeps own templates: llmdit/templates in XDG_CONFIG_HOME or ~/.config; it need not exist.");
}

}  // namespace llmdit::python
