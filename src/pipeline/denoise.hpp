#pragma once

#include <ATen/core/Tensor.h>

#include <stop_token>
#include <vector>

#include "llmdit/generate_options.hpp"
#include "llmdit/guidance.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

struct DenoiseInputs {
  at::Tensor latents;         ///< [batch, channels, h, w] float32 noise
  std::vector<float> sigmas;  ///< [steps + 1]
  Conditioning positive;      ///< one caption an item
  Conditioning negative;      ///< the same, or empty without guidance
  GuidanceOptions guidance;
};

struct DenoiseResult {
  at::Tensor latents;
  std::vector<double> step_seconds;
};

/// Integrates from noise to latents. Throws cancelled when `on_step` returns true or a stop is requested.
DenoiseResult denoise(const ZImageTransformer& transformer, const DenoiseInputs& inputs, const StepCallback& on_step,
                      const std::stop_token& stop);

}  // namespace llmdit
