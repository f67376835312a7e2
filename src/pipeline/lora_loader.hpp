#pragma once

#include <optional>
#include <span>
#include <string>

#include "adapters/lora_file.hpp"
#include "llmdit/lora.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// The adapters of a pipeline: from files to changed weights.
class LoraLoader {
 public:
  struct Models {
    ZImageTransformer transformer;
    std::optional<ZImageTextEncoder> text_encoder;  ///< where the pipeline has its own
  };

  /// An adapter as it was read, so that what happens to its file later plays no role, and its strength.
  struct Loaded {
    adapters::LoraFile file;
    double scale = 1.0;
    std::string content{};  ///< digest of the file
  };

  /// Reads an adapter for these models; `report` tells of it. Throws as ZImagePipeline::load_loras.
  static Loaded read(const Models& models, const Lora& lora, bool strict, LoraReport& report);

  /// `models` with these adapters, and no others, on top of the weights of its files.
  static Models apply(const Models& models, std::span<const Loaded> loras);
};

}  // namespace llmdit
