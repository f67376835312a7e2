#include "llmdit/compatibility.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_compatibility(py::module_& m) {
  Record<ConfigDifference>(m, "ConfigDifference", "A setting that is not as in the original encoder.")
      .read_only("reference", &ConfigDifference::reference, "Of the original encoder.")
      .read_only("actual", &ConfigDifference::actual, "Of the one that was looked at.");
  Record<CompatibilityReport>(m, "CompatibilityReport", "Whether a text encoder can serve a transformer.")
      .read_only("compatible", &CompatibilityReport::compatible,
                 "Whether pictures can be made with it: there are no errors.")
      .read_only("model_name", &CompatibilityReport::model_name, "Told by the sizes, e.g. 'Qwen3-4B'; '' for others.")
      .read_only("hidden_size", &CompatibilityReport::hidden_size,
                 "Width of its embeddings; 0 when its configuration does not load, as the next two.")
      .read_only("num_hidden_layers", &CompatibilityReport::num_hidden_layers, "Its blocks.")
      .read_only("max_position_embeddings", &CompatibilityReport::max_position_embeddings,
                 "The longest text in tokens that it takes.")
      .read_only("errors", &CompatibilityReport::errors, "Why it cannot serve.")
      .read_only("warnings", &CompatibilityReport::warnings, "Why pictures may differ from the original encoder's.")
      .read_only("config_diff", &CompatibilityReport::config_diff,
                 "Settings that differ from the original encoder's, by their names in config.json.");
  m.def(
      "check_compatibility",
      [](const std::filesystem::path& encoder, const std::optional<std::filesystem::path>& transformer) {
        return check_compatibility(encoder, transformer.value_or(""));
      },
      py::arg("encoder"), py::arg("transformer") = py::none(), NoGil(),
      "Compares an encoder's folder, config.json or weight file with a transformer's, by default the published one's.\n"
      "Pipeline folders are fine for both. An encoder that does not load is reported.\n"
      "Raises NotFound for a transformer that is not there, Unsupported for one that is damaged or of another kind.");
}

}  // namespace llmdit::python
