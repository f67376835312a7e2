#pragma once

#include <ATen/core/Tensor.h>

#include "llmdit/image.hpp"

namespace llmdit {

/// The autoencoder's output [batch, 3, H, W], about -1..1, as pixels in 0..1, float32 on the CPU.
at::Tensor to_unit_range(const at::Tensor& decoded);

/// One picture of pixels [3, H, W] in 0..1; times 255, halves rounded to even.
Image to_image(const at::Tensor& pixels);

}  // namespace llmdit
