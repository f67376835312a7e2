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

/// A tuple, as Python leaves out states that are empty.
py::tuple registry_state(const TemplateRegistry& self) {
  py::list templates;
  for (const auto& [name, entry] : self) templates.append(py::cast(entry));
  return py::make_tuple(templates);
}

TemplateRegistry registry_from_state(const py::tuple& state) {
  TemplateRegistry registry;
  const py::list templates = state[0];
  for (py::handle entry : templates) registry.add(py::cast<Template>(entry));
  return registry;
}

/// "[a, b, ... 40 in all]" without the brackets.
std::string shown_names(const TemplateRegistry& self) {
  const std::string list = short_repr(py::cast(self.names()));
  return list.substr(1, list.size() - 2);
}

void bind_registry(py::module_& m) {
  py::class_<TemplateRegistry>(m, "TemplateRegistry", "Templates by name, in the order of their names.")
      .def(py::init())
      .def_static(
          "standard", &TemplateRegistry::standard, py::arg("own_folder") = "", NoGil(),
          "The built-in templates, over them those of the user's own folder where there is one, over them those\n"
          "of `own_folder` where given.\n"
          "Raises NotFound for a folder that is missing, Unsupported for a file that cannot be taken.")
      .def("add", &TemplateRegistry::add, py::arg("template"),
           "Adds a template.\n"
           "Raises InvalidArgument for a name that is there already, is empty, holds a slash or ends in .md.")
      .def("load_file", &TemplateRegistry::load_file, py::arg("path"), NoGil(),
           "Adds the template of a *.md file.\n"
           "Raises NotFound when it cannot be read, Unsupported where it is none, InvalidArgument for a name as add.")
      .def("load_directory", &TemplateRegistry::load_directory, py::arg("folder"), NoGil(),
           "Adds every *.md below a folder and returns their number; all of them or none.\n"
           "Raises NotFound for a folder that is missing, Unsupported for a file that is none, InvalidArgument for a "
           "name "
           "as add.")
      .def("overlay", &TemplateRegistry::overlay, py::arg("other"),
           "Adds all of another registry, in the place of those of the same name.")
      .def(
          "get", [](const TemplateRegistry& self, const std::string& name) { return self.find(name); }, py::arg("name"),
          py::return_value_policy::copy, "The template of a name, or None; registry[name] raises KeyError instead.")
      .def("list_names", &TemplateRegistry::names, "All names, sorted.")
      .def("list_by_category", &TemplateRegistry::in_category, py::arg("category"),
           "The names of one category, sorted.")
      .def_property_readonly("categories", &TemplateRegistry::categories,
                             "The categories that there are, sorted, without the empty one.")
      .def("search", &TemplateRegistry::search, py::arg("words"),
           "The names of those that hold every word of `words` in their name, category, description or text; letters "
           "A-Z in\n"
           "either case.")
      .def("__getitem__", &item, py::arg("name"), py::return_value_policy::copy)
      .def(
          "__contains__",
          [](const TemplateRegistry& self, const std::string& name) { return self.find(name) != nullptr; },
          py::arg("name"))
      .def("__iter__", [](const TemplateRegistry& self) { return py::iter(py::cast(self.names())); })
      .def("__len__", &TemplateRegistry::size)
      .def(py::pickle(&registry_state, &registry_from_state))
      .def("__repr__", [](const TemplateRegistry& self) {
        const std::string count = std::to_string(self.size()) + (self.size() == 1 ? " template" : " templates");
        return "<llmdit.TemplateRegistry of " + count + (self.size() == 0 ? "" : ": " + shown_names(self)) + ">";
      });
}

}  // namespace

void bind_prompt_template(py::module_& m) {
  Record<Template>(m, "Template", "What stands around a prompt in the chat text, kept under a name.")
      .read_write("name", &Template::name,
                  "Under which it is looked up; its file's, without the suffix, where that has none.")
      .read_write("description", &Template::description, "One line.")
      .read_write("category", &Template::category, "E.g. 'photography'; '' for none.")
      .read_write("system_prompt", &Template::system_prompt, "Text of a system turn before the prompt; '' for none.")
      .read_write("thinking_content", &Template::thinking_content,
                  "Text inside the assistant's think block; '' for none.")
      .read_write("assistant_content", &Template::assistant_content, "Start of the assistant's answer; '' for none.")
      .read_write("add_think_block", &Template::add_think_block,
                  "Whether there is an empty think block without thinking_content.")
      .read_write("metadata", &Template::metadata, "Every other key of the file's front matter.")
      .read_write("path", &Template::path, "Its file; empty when made otherwise.")
      .constructible()
      .comparable();
  bind_registry(m);
  m.def("load_template", &load_template, py::arg("path"), NoGil(),
        "Reads one Markdown file with YAML front matter; without any, all of it is the system prompt.\n"
        "Raises NotFound when it cannot be read, Unsupported, with its line, for front matter that cannot be taken.");
  m.def("builtin_templates_path", &builtin_templates_path,
        "The folder of the templates that come with the library; LLMDIT_TEMPLATES names another one.\n"
        "Raises NotFound, naming the places looked at, where there is none.");
  m.def("user_templates_path", &user_templates_path,
        "Where a user keeps own templates: llmdit/templates in XDG_CONFIG_HOME or ~/.config; it need not exist.");
}

}  // namespace llmdit::python
