// The functions of normalize.hpp about columns that vary far more than a text encoder's.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "conditioning/names.hpp"
#include "conditioning/rows.hpp"
#include "conditioning/statistics_rows.hpp"

namespace llmdit {
namespace {

using namespace conditioning;

/// Columns above the threshold with their ratios, ascending by column.
std::vector<std::pair<int64_t, double>> outliers(const at::Tensor& ratios, double threshold) {
  const at::Tensor values = ratios.to(at::kCPU, at::kDouble).contiguous();
  const double* ratio = values.const_data_ptr<double>();
  std::vector<std::pair<int64_t, double>> found;
  for (int64_t dim = 0; dim < values.numel(); ++dim) {
    if (ratio[dim] > threshold) found.emplace_back(dim, ratio[dim]);
  }
  return found;
}

at::Tensor ratios_of(const at::Tensor& deviations, const StatisticsRows& reference) {
  return deviations / reference.std.clamp_min(least_deviation);
}

/// What each column is multiplied with if it is an outlier.
at::Tensor factors(OutlierMode mode, double threshold, const at::Tensor& spread, const StatisticsRows& reference) {
  if (mode == OutlierMode::zero) return at::zeros_like(spread);
  if (mode == OutlierMode::clamp) return threshold * reference.std / spread;
  if (mode == OutlierMode::scale) return threshold / ratios_of(spread, reference);
  return at::ones_like(spread);
}

void check_threshold(double threshold, std::string_view op) {
  check(std::isfinite(threshold) && threshold > 0, op, "expected a positive threshold, got {}", threshold);
}

}  // namespace

OutlierMode parse_outlier_mode(std::string_view name) { return parse_choice<OutlierMode>("outlier_mode", name); }

std::string_view outlier_mode_name(OutlierMode mode) noexcept { return enum_name(mode); }

MaskedEmbeddings mask_outlier_dimensions(const at::Tensor& embeddings, const ReferenceStatistics& stats,
                                         double threshold, OutlierMode mode) {
  constexpr std::string_view op = "mask_outlier_dimensions";
  return compute(op, [&] {
    check_threshold(threshold, op);
    const at::Tensor rows = to_rows(embeddings, op, "embeddings");
    const StatisticsRows reference(stats, rows, op);
    const at::Tensor spread = column_deviation(rows, op), ratios = ratios_of(spread, reference);
    OutlierInfo info{.masked_dimensions = {}, .ratios = {}, .mode = mode, .threshold = threshold};
    for (const auto& [dim, ratio] : outliers(ratios, threshold)) {
      info.masked_dimensions.push_back(dim);
      info.ratios.push_back(ratio);
    }
    const at::Tensor masked = at::tensor(info.masked_dimensions, at::kLong).to(rows.device());
    const at::Tensor factor = factors(mode, threshold, spread, reference).index_select(0, masked);
    at::Tensor changed = rows.clone();
    changed.index_copy_(1, masked, rows.index_select(1, masked) * factor);
    return MaskedEmbeddings{.embeddings = to_output(changed, embeddings, op), .info = std::move(info)};
  });
}

std::vector<std::pair<int64_t, double>> get_outlier_dimensions(const at::Tensor& embeddings,
                                                               const ReferenceStatistics& stats, double threshold) {
  constexpr std::string_view op = "get_outlier_dimensions";
  return compute(op, [&] {
    check_threshold(threshold, op);
    const at::Tensor rows = to_rows(embeddings, op, "embeddings");
    auto found = outliers(ratios_of(column_deviation(rows, op), StatisticsRows(stats, rows, op)), threshold);
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return found;
  });
}

}  // namespace llmdit
