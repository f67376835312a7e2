#pragma once

#include <ATen/core/Tensor.h>

namespace llmdit::nn {

/// Mean and inverse deviation of the groups of channels of a picture, each [batch, groups].
struct GroupStatistics {
  at::Tensor mean, rstd;
};

/// Those of x [batch, channels, h, w] in any layout, in float32, by operations that every device has. From sums of
/// squares: a group's mean of 100 deviations costs its variance a part in a thousand.
GroupStatistics measure_groups(const at::Tensor& x, int64_t groups, double eps);

/// (x - mean) * rstd * weight + bias with the statistics of x or of another picture, computed in float32, in the type
/// and layout of x.
at::Tensor normalize_groups(const at::Tensor& x, const GroupStatistics& statistics, const at::Tensor& weight,
                            const at::Tensor& bias);

}  // namespace llmdit::nn
