#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace llmdit::models {

/// The linear map from latents in the denoiser's scale to colors that comes nearest to a decoder: [channels + 1, 3]
/// float32, the last row a constant. `decode` takes such latents [batch, channels, h, w] to pixels about -1..1.
at::Tensor fit_colors(const std::function<at::Tensor(const at::Tensor&)>& decode, int64_t channels, int64_t scale);

/// Latents [batch, channels, h, w] to pixels [batch, 3, h, w] in 0..1.
at::Tensor apply_colors(const at::Tensor& latents, const at::Tensor& map);

}  // namespace llmdit::models
