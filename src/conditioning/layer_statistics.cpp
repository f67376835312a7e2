#include "llmdit/layer_statistics.hpp"

#include <ATen/ATen.h>

#include "base/check.hpp"
#include "base/translate.hpp"

namespace llmdit {
namespace {

std::vector<OutlierDimension> outlier_dimensions(const at::Tensor& values, double threshold) {
  constexpr double tiny = 1e-30;  // a ratio to columns of nothing but zeros is large, not infinite
  const at::Tensor magnitude = values.square().mean(0).sqrt();
  const at::Tensor ratio = magnitude / magnitude.median().clamp_min(tiny);
  std::vector<OutlierDimension> outliers;
  const at::Tensor order = ratio.argsort(/*dim=*/0, /*descending=*/true);
  for (int64_t i = 0; i < order.size(0); ++i) {
    const auto dim = order[i].item<int64_t>();
    if (!(ratio[dim].item<double>() > threshold)) break;
    outliers.push_back({dim, magnitude[dim].item<double>(), ratio[dim].item<double>()});
  }
  return outliers;
}

}  // namespace

LayerStatistics layer_statistics(const at::Tensor& states, double outlier_threshold) {
  return translate_errors("layer_statistics", [&] {
    check(states.defined() && states.dim() == 2 && states.numel() > 1, "layer_statistics",
          "expected hidden states of [tokens, width], two numbers or more, got {}",
          states.defined() ? fmt::format("[{}]", fmt::join(states.sizes(), ", ")) : "none");
    check(at::isFloatingType(states.scalar_type()) && at::isfinite(states).all().item<bool>(), "layer_statistics",
          "expected finite hidden states of a float type, got {}", c10::toString(states.scalar_type()));
    check(outlier_threshold > 0, "layer_statistics", "expected an outlier_threshold above 0, got {}",
          outlier_threshold);
    const at::Tensor values = states.detach().to(at::kCPU, at::kDouble), norms = values.norm(2, {1});
    return LayerStatistics{.mean = values.mean().item<double>(),
                           .std = values.std().item<double>(),
                           .min = values.min().item<double>(),
                           .max = values.max().item<double>(),
                           .row_norm_mean = norms.mean().item<double>(),
                           .row_norm_min = norms.min().item<double>(),
                           .row_norm_max = norms.max().item<double>(),
                           .outliers = outlier_dimensions(values, outlier_threshold)};
  });
}

}  // namespace llmdit
