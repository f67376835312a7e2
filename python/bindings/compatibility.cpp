#include "llmdit/compatibility.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_compatibility(py::module_& m) {
  Record<ConfigDifference>(m, "ConfigDifference", "A setting that is not as in the original encoder.")
      .read_only("reference", &ConfigDifference::reference)
      .read_only("actual", &ConfigDifference::actual);
  Record<CompatibilityReport>(m, "CompatibilityReport", "Whether a text encoder can serve a transformer.")
      .read_only("compatible", &CompatibilityReport::compatible)
      .read_only("model_name", &CompatibilityReport::model_name, "Told by the sizes, e.g. 'Qwen3-4B'; '' for others.")
      .read_only("hidden_size", &CompatibilityReport::hidden_size)
      .read_only("num_hidden_layers", &CompatibilityReport::num_hidden_layers)
      .read_only("max_position_embeddings", &CompatibilityReport::max_position_embeddings)
      .read_only("errors", &CompatibilityReport::errors, "Why it cannot serve.")
      .read_only("warnings", &CompatibilityReport::warnings, "Why pictures may differ from the original encoder's.")
      .read_only("config_diff", &CompatibilityReport::config_diff, "By the names of config.json.");
  m.def(
      "check_compatibility",
      [](const std::filesystem::path& encoder, const std::optional<std::filesystem::path>& transformer) {
        return check_compatibility(encoder, transformer.value_or(""));
      },
      py::arg("encoder"), py::arg("transformer") = py::none(), NoGil(),
      "Compares an encoder's folder, config.json or weight file with a transformer's, by default the published one's.\n"
      "Pipeline folders are fine for both. An encoder that does not load is reported, a transformer raises.");
}

}  // namespace llmdit::python
