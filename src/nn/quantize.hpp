#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "llmdit/load_options.hpp"
#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// Whether a weight is one of the large matrices of a block, which are what quantisation is for: embeddings,
/// modulations and the last layer are small, and errors in them reach everything.
bool is_block_matrix(std::string_view name, at::IntArrayRef shape);

/// Whether the kind makes a weight smaller, and its rows fill the kind's blocks. Weights of 8 bits and fewer are not
/// rounded to 8 bits again.
bool is_worth_quantizing(const StoredTensor& stored, Quantization kind);

/// A float32 matrix [rows, columns] in the kind asked for, which is not none, as products on that device take it best;
/// on the CPU itself.
StoredTensor quantize(const at::Tensor& weight, Quantization kind, const c10::Device& device);

/// A contiguous float32 matrix as GGUF's blocks; its rows fill them.
StoredTensor quantize_blocks(const at::Tensor& weight, kernels::BlockType type);

}  // namespace llmdit::nn
