#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// A column of hidden states that is much larger than the others, as a few of Qwen3's are.
struct OutlierDimension {
  int64_t dim = 0;
  double magnitude = 0;  ///< root of the mean square over the rows
  double ratio = 0;      ///< magnitude over that of the median column
};

/// What hidden states [tokens, width] are like, in numbers.
struct LayerStatistics {
  double mean = 0;
  double std = 0;  ///< of all numbers, unbiased
  double min = 0;
  double max = 0;
  double row_norm_mean = 0;  ///< Euclidean norm of a row
  double row_norm_min = 0;
  double row_norm_max = 0;
  std::vector<OutlierDimension> outliers;  ///< largest first
};

/// Computed in float64. A column is an outlier when its ratio is above `outlier_threshold`.
/// Throws invalid_argument for another shape, fewer than two numbers, numbers that are not finite, or a threshold that
/// is not above 0.
LLMDIT_EXPORT LayerStatistics layer_statistics(const at::Tensor& states, double outlier_threshold = 10.0);

}  // namespace llmdit
