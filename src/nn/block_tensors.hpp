#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/block_format.hpp"

namespace llmdit::nn {

/// The weights of blocks [rows, bytes] uint8 as float32 [rows, columns], by operations that every device has; equal to
/// kernels::dequantize bit for bit.
at::Tensor widen_blocks(kernels::BlockType type, const at::Tensor& blocks);

}  // namespace llmdit::nn
