#include "nn/group_norm.hpp"

#include <ATen/ATen.h>

namespace llmdit::nn {

GroupStatistics measure_groups(const at::Tensor& x, int64_t groups, double eps) {
  // Channel by channel first, whose numbers lie side by side in channels-last layout.
  const auto by_group = [&](const at::Tensor& by_channel) {
    return by_channel.view({x.size(0), groups, x.size(1) / groups}).mean(2);
  };
  const at::Tensor mean = by_group(at::mean(x, {2, 3}, /*keepdim=*/false, at::kFloat));
  const at::Tensor norm = at::linalg_vector_norm(x, 2, {2, 3}, /*keepdim=*/false, at::kFloat);
  const at::Tensor square = by_group(norm.square().div_(static_cast<double>(x.size(2) * x.size(3))));
  return {mean, (square - mean.square()).clamp_min_(0).add_(eps).rsqrt_()};
}

at::Tensor normalize_groups(const at::Tensor& x, const GroupStatistics& statistics, const at::Tensor& weight,
                            const at::Tensor& bias) {
  // As one factor and one summand a channel.
  const int64_t channels = x.size(1);
  const auto by_channel = [&](const at::Tensor& by_group) {
    return by_group.to(at::kFloat).repeat_interleave(channels / by_group.size(1), 1);
  };
  const auto along_channels = [&](const at::Tensor& numbers) { return numbers.view({x.size(0), channels, 1, 1}); };
  const at::Tensor factor = by_channel(statistics.rstd) * weight;
  const at::Tensor summand = along_channels(bias - by_channel(statistics.mean) * factor);
  if (x.scalar_type() == at::kFloat) return (x * along_channels(factor)).add_(summand);
  // Rounded once; some rows at a time, since the products are wider than the picture.
  constexpr int64_t pieces = 8;
  at::Tensor y = at::empty_like(x);
  const auto from = x.chunk(pieces, 2), to = y.chunk(pieces, 2);
  for (size_t i = 0; i < from.size(); ++i) {
    at::Tensor piece = to[i];
    at::add_out(piece, from[i] * along_channels(factor), summand);
  }
  return y;
}

}  // namespace llmdit::nn
