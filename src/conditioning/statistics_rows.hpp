#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "llmdit/reference_statistics.hpp"

namespace llmdit::conditioning {

/// Reference statistics in the type and on the device of embeddings, as wide as they are.
struct StatisticsRows {
  StatisticsRows(const ReferenceStatistics& stats, const at::Tensor& rows, std::string_view operation);

  at::Tensor mean;  ///< [hidden]
  at::Tensor std;   ///< [hidden]
};

/// Unbiased deviation of each column, [hidden]. Throws invalid_argument for one row.
at::Tensor column_deviation(const at::Tensor& rows, std::string_view operation);

}  // namespace llmdit::conditioning
