#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "llmdit/lora.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// The adapters of a pipeline: from files to changed weights.
class LoraLoader {
 public:
  struct Models {
    ZImageTransformer transformer;
    ZImageTextEncoder text_encoder;
  };

  /// An adapter and whether its keys for the text encoder count.
  struct Request {
    Lora lora;
    bool text_encoder = false;
  };

  /// `base` with `loaded` and `added` on top of the weights of its files; `report` tells of the added ones.
  /// Throws as ZImagePipeline::load_loras.
  static Models apply(const Models& base, std::span<const Request> loaded, std::span<const Request> added, bool strict,
                      LoraReport& report);

  /// `base` with the weights of its files.
  static Models remove(const Models& base);
};

}  // namespace llmdit
