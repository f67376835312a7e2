#pragma once

#include <ATen/core/Tensor.h>

#include "llmdit/export.hpp"

namespace llmdit {

/// Classifier-free guidance as Z-Image defines it: positive + scale * (positive - negative).
/// Other tools write negative + g * (positive - negative): the same picture comes at g = scale + 1.
struct GuidanceOptions {
  double scale = 0.0;          ///< 0 is off: the negative prompt is not run
  double normalization = 0.0;  ///< largest norm of the result as a multiple of the positive's; 0 is off
  double truncation = 1.0;     ///< no guidance once the model time (0 noise, 1 picture) is above this; 1 is never
};

/// The scale in force at model time `t`.
LLMDIT_EXPORT double guidance_scale_at(const GuidanceOptions& options, double t);

/// Guided prediction, float32 [batch, channels, h, w]; the norm is taken over each item as a whole.
LLMDIT_EXPORT at::Tensor apply_guidance(const at::Tensor& positive, const at::Tensor& negative, double scale,
                                        double normalization);

}  // namespace llmdit
