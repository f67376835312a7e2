#include "llmdit/normalize.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "base/check.hpp"
#include "conditioning/rows.hpp"
#include "conditioning/statistics_rows.hpp"

namespace llmdit {
namespace {

using namespace conditioning;

at::Tensor scaled(const at::Tensor& rows, double target_std, std::string_view op, std::vector<std::string>* warnings) {
  const double spread = deviation(rows, op);
  if (spread > 0) return rows * (target_std / spread);
  if (warnings) {
    warnings->push_back(
        fmt::format("[{}] the embeddings have a standard deviation of 0 and were not scaled to {:g}", op, target_std));
  }
  return rows.clone();
}

at::Tensor per_dimension(const at::Tensor& rows, const StatisticsRows& reference, const PerDimensionOptions& options,
                         std::string_view op) {
  check(options.clip_sigma > 0, op, "expected a positive clip_sigma, got {}", options.clip_sigma);
  at::Tensor z = (rows - rows.mean(0)) / column_deviation(rows, op).clamp_min(least_deviation);
  if (options.clip_outliers) z = z.clamp(-options.clip_sigma, options.clip_sigma);
  return z * reference.std.clamp_min(least_deviation) + reference.mean;
}

}  // namespace

at::Tensor scale_embeddings(const at::Tensor& embeddings, double target_std, std::vector<std::string>* warnings) {
  constexpr std::string_view op = "scale_embeddings";
  return compute(op, [&] {
    check(std::isfinite(target_std) && target_std > 0, op, "expected a positive target_std, got {}", target_std);
    return to_output(scaled(to_rows(embeddings, op, "embeddings"), target_std, op, warnings), embeddings, op);
  });
}

at::Tensor normalize_per_dimension(const at::Tensor& embeddings, const ReferenceStatistics& stats,
                                   const PerDimensionOptions& options) {
  constexpr std::string_view op = "normalize_per_dimension";
  return compute(op, [&] {
    const at::Tensor rows = to_rows(embeddings, op, "embeddings");
    return to_output(per_dimension(rows, StatisticsRows(stats, rows, op), options, op), embeddings, op);
  });
}

at::Tensor normalize_hybrid(const at::Tensor& embeddings, const ReferenceStatistics& stats, double per_dim_weight,
                            std::vector<std::string>* warnings) {
  constexpr std::string_view op = "normalize_hybrid";
  return compute(op, [&] {
    check(per_dim_weight >= 0 && per_dim_weight <= 1, op, "expected a per_dim_weight from 0 to 1, got {}",
          per_dim_weight);
    const at::Tensor rows = to_rows(embeddings, op, "embeddings");
    const StatisticsRows reference(stats, rows, op);
    const at::Tensor by_column = per_dimension(rows, reference, {}, op);
    const at::Tensor as_a_whole = scaled(rows, stats.global_std, op, warnings);
    return to_output(mix(per_dim_weight, by_column, as_a_whole), embeddings, op);
  });
}

}  // namespace llmdit
