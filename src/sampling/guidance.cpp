#include "llmdit/guidance.hpp"

#include <ATen/ATen.h>

namespace llmdit {

double guidance_scale_at(const GuidanceOptions& options, double t) {
  return t > options.truncation ? 0.0 : options.scale;
}

at::Tensor apply_guidance(const at::Tensor& positive, const at::Tensor& negative, double scale, double normalization) {
  at::Tensor guided = positive + (positive - negative) * scale;
  if (normalization <= 0) return guided;
  const auto norm = [](const at::Tensor& x) { return x.flatten(1).norm(2, 1); };
  const at::Tensor allowed = norm(positive) * normalization, found = norm(guided);
  const at::Tensor factor = at::where(found > allowed, allowed / found, at::ones_like(found));
  return guided * factor.view({-1, 1, 1, 1});
}

}  // namespace llmdit
