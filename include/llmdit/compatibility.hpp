#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// A setting of an encoder that is not as in the encoder the transformer was trained with.
struct ConfigDifference {
  double reference = 0;
  double actual = 0;

  bool operator==(const ConfigDifference&) const = default;
};

/// Whether a text encoder can serve a transformer, and how it differs from the one it was trained with.
struct CompatibilityReport {
  bool compatible = false;
  std::string model_name;   ///< told by the sizes, e.g. "Qwen3-4B"; "" for no published Qwen3
  int64_t hidden_size = 0;  ///< 0 when the configuration does not load, as for the next two
  int64_t num_hidden_layers = 0;
  int64_t max_position_embeddings = 0;
  std::vector<std::string> errors;                      ///< why it cannot serve; none when it is compatible
  std::vector<std::string> warnings;                    ///< why pictures may differ from those of the original encoder
  std::map<std::string, ConfigDifference> config_diff;  ///< by the names of config.json
};

/// The width has to be the transformer's cap_feat_dim. A transformer of the published width, 2560, was trained with
/// Qwen3-4B: fewer than its 36 layers are an error, and other settings that differ warnings.
LLMDIT_EXPORT CompatibilityReport check_compatibility(const Qwen3Config& encoder,
                                                      const ZImageTransformerConfig& transformer = {});

/// The same for files: an encoder's folder, config.json or weight file, or a pipeline folder; a transformer likewise,
/// or "" for the published one. An encoder that does not load is reported, a transformer that does not throws.
LLMDIT_EXPORT CompatibilityReport check_compatibility(const std::filesystem::path& encoder,
                                                      const std::filesystem::path& transformer = {});

/// The report as a JSON object with the names of its fields.
LLMDIT_EXPORT std::string to_json(const CompatibilityReport& report);

}  // namespace llmdit
