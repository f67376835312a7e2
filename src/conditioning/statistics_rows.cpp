#include "conditioning/statistics_rows.hpp"

#include <ATen/ATen.h>

#include "base/check.hpp"
#include "conditioning/rows.hpp"

namespace llmdit::conditioning {

StatisticsRows::StatisticsRows(const ReferenceStatistics& stats, const at::Tensor& rows, std::string_view operation) {
  stats.check();
  llmdit::check(stats.hidden_dim() == rows.size(1), operation,
                "expected reference statistics of {} columns, got {}; compute them with the encoder in use",
                rows.size(1), stats.hidden_dim());
  mean = stats.per_dim_mean.to(rows.options());
  std = stats.per_dim_std.to(rows.options());
}

at::Tensor column_deviation(const at::Tensor& rows, std::string_view operation) {
  check(rows.size(0) > 1, operation,
        "expected two rows or more, got one: it has no standard deviation per column; scale_embeddings takes all its "
        "numbers together");
  return deviation(rows, {0}, operation).squeeze(0);
}

}  // namespace llmdit::conditioning
