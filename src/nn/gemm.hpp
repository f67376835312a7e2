#pragma once

#include <memory>

#include "nn/matmul.hpp"
#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// The product with a matrix on the CPU in float32, from the weight as it is kept: a panel at a time is widened into a
/// buffer that stays in cache, so that weights of 16 bits or of 4 cost the time of float32 and their own memory.
/// Weights of 8 bits that may be are multiplied in integers: x is rounded to 16 bits, so that the weights' own rounding
/// is what is left of error. Not differentiable.
std::shared_ptr<const MatMul> make_cpu_matmul(StoredTensor weight);

}  // namespace llmdit::nn
