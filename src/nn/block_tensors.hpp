#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/block_format.hpp"

namespace llmdit::nn {

/// The weights of blocks [rows, bytes] uint8 as numbers [rows, columns], by operations that every device has: in
/// float32 those of kernels::dequantize bit for bit, in another type these, rounded.
at::Tensor widen_blocks(kernels::BlockType type, const at::Tensor& blocks, at::ScalarType to);

}  // namespace llmdit::nn
