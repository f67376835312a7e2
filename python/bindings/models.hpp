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

/// Adds `from_pretrained(path, *, subfolder=None, <Extra>..., **LoadOptions)`; `load` is called without the GIL.
template <class Class, class Load, class... Extra>
void def_loader(Class& cls, const std::string& doc, Load load, const Extra&... extra) {
  const std::string help = doc + "\nsubfolder: the model's folder inside `path`, as in diffusers.\nOther keywords:" +
                           options_doc<LoadOptions>();
  const auto inside = [](const std::filesystem::path& path, const std::optional<std::filesystem::path>& subfolder) {
    return subfolder ? path / *subfolder : path;
  };
  if constexpr (sizeof...(Extra) == 0) {
    cls.def_static(
        "from_pretrained",
        [load, inside](const std::filesystem::path& path, const std::optional<std::filesystem::path>& subfolder,
                       const py::kwargs& keywords) {
          const auto options = options_from<LoadOptions>(keywords);
          py::gil_scoped_release released;
          return load(inside(path, subfolder), options);
        },
        py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(), help.c_str());
  } else {
    cls.def_static(
        "from_pretrained",
        [load, inside](const std::filesystem::path& path, const std::optional<std::filesystem::path>& subfolder,
                       const std::optional<std::filesystem::path>& other, const py::kwargs& keywords) {
          const auto options = options_from<LoadOptions>(keywords);
          py::gil_scoped_release released;
          return load(inside(path, subfolder), other, options);
        },
        py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(), extra..., help.c_str());
  }
}

}  // namespace llmdit::python
