#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string_view>

#include "llmdit/export.hpp"

namespace llmdit {

// Directions between embeddings. Sums are float32, or float64 for float64 embeddings; no gradients are recorded.
// Refused with invalid_argument are the tensors that blend.hpp refuses.

/// How the rows of a prompt become one.
enum class RowReduction {
  mean,
  max,  ///< of each column
  last,
  first,
};

/// Throws invalid_argument for a name that is none.
LLMDIT_EXPORT RowReduction parse_row_reduction(std::string_view name);

struct EmbeddingComparison {
  double cosine_similarity = 0;   ///< 0 where one of them is all zeros
  double mean_squared_error = 0;  ///< over the columns
};

/// Compares two prompts, [a, hidden] and [b, hidden], by one row of each.
LLMDIT_EXPORT EmbeddingComparison compare_embeddings(const at::Tensor& a, const at::Tensor& b,
                                                     RowReduction reduction = RowReduction::mean);

/// From what one group of prompts has in common to what another has: the mean over `positive` minus the mean over
/// `negative`, each prompt [tokens, hidden] reduced to one row. float32 [hidden] of length 1 with `normalize`, unless
/// it is all zeros.
LLMDIT_EXPORT at::Tensor steering_vector(std::span<const at::Tensor> positive, std::span<const at::Tensor> negative,
                                         RowReduction reduction = RowReduction::mean, bool normalize = true);

/// embeddings + scale * vector in every row, with their dtype on their device. `vector` is [hidden].
LLMDIT_EXPORT at::Tensor apply_steering(const at::Tensor& embeddings, const at::Tensor& vector, double scale = 1.0);

}  // namespace llmdit
