#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bindings.hpp"
#include "options.hpp"

#include "llmdit/load_options.hpp"

namespace llmdit::python {

inline std::vector<std::string> as_list(std::variant<std::string, std::vector<std::string>> texts) {
  if (auto* text = std::get_if<std::string>(&texts)) return {std::move(*text)};
  return std::get<std::vector<std::string>>(std::move(texts));
}

using OptionalPath = std::optional<std::filesystem::path>;

/// Adds `from_pretrained(path, *, subfolder=None, config_path=None, <Extra>..., **LoadOptions)`; `load` is called
/// without the GIL.
template <class Class, class Load, class... Extra>
void def_loader(Class& cls, const std::string& doc, Load load, const Extra&... extra) {
  const std::string help =
      doc +
      "\nsubfolder: the model's folder inside `path`, as in diffusers.\nconfig_path: a folder or "
      "config.json for what a bare weight file does not tell.\n"
      "Raises NotFound for a missing file, Unsupported for one that is damaged, lacks a tensor or is "
      "of another\nmodel, InvalidArgument for an option that cannot be.\nOther keywords:" +
      options_doc<LoadOptions>();
  const auto inside = [](const std::filesystem::path& path, const OptionalPath& subfolder) {
    return subfolder ? path / *subfolder : path;
  };
  if constexpr (sizeof...(Extra) == 0) {
    cls.def_static(
        "from_pretrained",
        [load, inside](const std::filesystem::path& path, const OptionalPath& subfolder,
                       const OptionalPath& config_path, const py::kwargs& keywords) {
          const auto options = options_from<LoadOptions>(keywords);
          py::gil_scoped_release released;
          return load(inside(path, subfolder), options, config_path.value_or(""));
        },
        py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(), py::arg("config_path") = py::none(),
        help.c_str());
  } else {
    cls.def_static(
        "from_pretrained",
        [load, inside](const std::filesystem::path& path, const OptionalPath& subfolder,
                       const OptionalPath& config_path, const OptionalPath& other, const py::kwargs& keywords) {
          const auto options = options_from<LoadOptions>(keywords);
          py::gil_scoped_release released;
          return load(inside(path, subfolder), options, config_path.value_or(""), other);
        },
        py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(), py::arg("config_path") = py::none(),
        extra..., help.c_str());
  }
}

}  // namespace llmdit::python
