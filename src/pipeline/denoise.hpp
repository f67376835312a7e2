#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <stop_token>
#include <vector>

#include "llmdit/generate_options.hpp"
#include "llmdit/guidance.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// What keeps a part of a picture as it was.
struct Repaint {
  at::Tensor mask;      ///< [1, 1, h, w] float32: 1 is painted anew, 0 follows the original
  at::Tensor original;  ///< its latents [batch or 1, channels, h, w] float32
  at::Tensor noise;     ///< [batch, channels, h, w] float32, mixed into the original at every level alike
};

struct DenoiseInputs {
  at::Tensor latents;         ///< [batch, channels, h, w] float32, at the first noise level
  std::vector<float> sigmas;  ///< [steps + 1]
  Conditioning positive;      ///< one caption an item
  Conditioning negative;      ///< the same, or empty without guidance
  GuidanceOptions guidance;
  double step_cache = 0;  ///< see GenerateOptions
  std::optional<Repaint> repaint{};
};

struct DenoiseResult {
  at::Tensor latents;
  std::vector<double> step_seconds;
  std::vector<int64_t> reused_steps;  ///< those not run whole
};

/// Integrates from noise to latents. Throws cancelled when `on_step` returns true or a stop is requested.
DenoiseResult denoise(const ZImageTransformer& transformer, const DenoiseInputs& inputs, const StepCallback& on_step,
                      const std::stop_token& stop);

}  // namespace llmdit
