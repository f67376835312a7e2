#pragma once

#include <ATen/core/Tensor.h>

#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// x [rows, in] W^T + bias on the CPU in float32, from the weight as it is kept: a panel at a time is widened into a
/// buffer that stays in cache, so that weights of 16 bits or of 4 cost the time of float32 and their own memory.
/// `bias` [out] may be undefined. Not differentiable.
at::Tensor gemm(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& bias);

}  // namespace llmdit::nn
