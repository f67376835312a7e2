#pragma once

#include <memory>

#include "kernels/nibbles.hpp"
#include "nn/matmul.hpp"
#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// Whether a file's blocks are multiplied in integers where a quantisation is asked for.
inline bool has_integer_product(kernels::BlockType type) {
  return kernels::has_nibbles(type) || type == kernels::BlockType::q8_0;
}

/// The product with a matrix on the CPU in float32, from the weight as it is kept: a panel at a time is widened into a
/// buffer that stays in cache, so that weights of 16 bits or of 4 cost the time of float32 and their own memory.
/// Weights that may be are multiplied in integers: beside weights of 8 bits x is rounded to 16, beside blocks of 4 bits
/// to 8 with a factor for each 32 columns, so that the weights' own rounding is most of the error. A few rows are
/// multiplied straight from storage. Not differentiable.
std::shared_ptr<const MatMul> make_cpu_matmul(StoredTensor weight);

}  // namespace llmdit::nn
