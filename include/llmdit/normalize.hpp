#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/reference_statistics.hpp"

namespace llmdit {

// Brings embeddings [rows, hidden] to the scale of a text encoder. Dtype and device are kept; sums are float32, or
// float64 for float64 input; no gradients are recorded. Refused with invalid_argument are the tensors that blend.hpp
// refuses, and statistics of another width.

/// Standard deviation of Qwen3-4B's embeddings at hidden layer -2, about; ReferenceStatistics has that of an encoder at
/// hand.
inline constexpr double text_embedding_std = 61.0;

/// embeddings * target_std / std(embeddings). Embeddings that do not vary come back as they are, with a line in
/// `warnings`.
LLMDIT_EXPORT at::Tensor scale_embeddings(const at::Tensor& embeddings, double target_std = text_embedding_std,
                                          std::vector<std::string>* warnings = nullptr);

struct PerDimensionOptions {
  bool clip_outliers = true;
  double clip_sigma = 3.0;  ///< in standard deviations of the column
};

/// Each column with the mean and deviation of the reference: (x - mean) / max(std, 1e-6), cut at +-clip_sigma, times
/// max(per_dim_std, 1e-6), plus per_dim_mean. Needs two rows.
LLMDIT_EXPORT at::Tensor normalize_per_dimension(const at::Tensor& embeddings, const ReferenceStatistics& stats,
                                                 const PerDimensionOptions& options = {});

/// per_dim_weight * normalize_per_dimension + (1 - per_dim_weight) * scale_embeddings to the reference's global_std.
LLMDIT_EXPORT at::Tensor normalize_hybrid(const at::Tensor& embeddings, const ReferenceStatistics& stats,
                                          double per_dim_weight = 0.5, std::vector<std::string>* warnings = nullptr);

/// How outlier columns are treated; `ratio` is std / max(per_dim_std, 1e-6).
enum class OutlierMode {
  none,   ///< told, not changed
  zero,   ///< set to 0
  clamp,  ///< times threshold * per_dim_std / std: to the deviation at which it would be no outlier
  scale,  ///< times threshold / ratio: the same, save where per_dim_std is below 1e-6
};

/// Throws invalid_argument for a name that is none.
LLMDIT_EXPORT OutlierMode parse_outlier_mode(std::string_view name);
LLMDIT_EXPORT std::string_view outlier_mode_name(OutlierMode mode) noexcept;

inline constexpr double outlier_threshold = 10.0;

struct OutlierInfo {
  std::vector<int64_t> masked_dimensions;  ///< ascending
  std::vector<double> ratios;              ///< of these
  OutlierMode mode = OutlierMode::zero;
  double threshold = outlier_threshold;
};

struct MaskedEmbeddings {
  at::Tensor embeddings;
  OutlierInfo info;
};

/// Treats the columns whose deviation is more than `threshold` times the reference's. Needs two rows.
LLMDIT_EXPORT MaskedEmbeddings mask_outlier_dimensions(const at::Tensor& embeddings, const ReferenceStatistics& stats,
                                                       double threshold = outlier_threshold,
                                                       OutlierMode mode = OutlierMode::zero);

/// These columns with their ratios, greatest ratio first.
LLMDIT_EXPORT std::vector<std::pair<int64_t, double>> get_outlier_dimensions(const at::Tensor& embeddings,
                                                                             const ReferenceStatistics& stats,
                                                                             double threshold = outlier_threshold);

}  // namespace llmdit
