#pragma once

#include <memory>
#include <utility>

#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"
#include "nn/turns.hpp"

namespace llmdit {

/// The parts of a pipeline as models that take turns in memory.
class ModelTurns {
 public:
  /// Null where all of them stay.
  static std::shared_ptr<nn::Turns> of(const LoadOptions& options) {
    return options.cpu_offload || options.max_memory ? std::make_shared<nn::Turns>() : nullptr;
  }

  template <class Part, class... Args>
  static Part load(Args&&... args) {
    return Part::load(std::forward<Args>(args)...);
  }

  /// Keeps the part in memory while the result lives.
  template <class Part>
  static std::shared_ptr<const void> hold(const Part& part, const std::stop_token& stop) {
    return part.hold(stop);
  }
};

}  // namespace llmdit
