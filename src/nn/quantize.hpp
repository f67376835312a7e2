#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "llmdit/load_options.hpp"
#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// Whether a weight is one of the large matrices of a block, which are what quantisation is for: embeddings,
/// modulations and the last layer are small, and errors in them reach everything.
bool is_block_matrix(std::string_view name, at::IntArrayRef shape);

/// A float32 matrix [rows, columns] in the kind asked for; as it is where its rows do not fill blocks.
StoredTensor quantize(const at::Tensor& weight, Quantization kind);

}  // namespace llmdit::nn
