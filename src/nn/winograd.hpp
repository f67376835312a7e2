#pragma once

#include <ATen/core/Tensor.h>

namespace llmdit::nn {

/// Whether the convolution of 3 x 3, stride 1, padded by one, is faster this way: float32 on a CPU, and enough channels
/// and pixels that most of the time goes to products. x [batch, in, height, width], weight [out, in, 3, 3].
bool is_for_winograd(const at::Tensor& x, const at::Tensor& weight);

/// That convolution with a bias [out], by Note [Winograd] in kernels/winograd.hpp; x, weight and the result in
/// channels-last layout. Not differentiable.
at::Tensor winograd_conv3x3(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace llmdit::nn
