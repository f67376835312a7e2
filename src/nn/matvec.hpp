#pragma once

#include <ATen/core/Tensor.h>

#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// How many rows of x are multiplied this way: with more, the panels of nn/gemm.cpp are worth making.
constexpr int64_t most_matvec_rows = 4;

/// out[rows, outputs] (+)= x W^T for few rows, whose time is that of reading the weight once.
void multiply_few_rows(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& out, bool accumulate);

}  // namespace llmdit::nn
