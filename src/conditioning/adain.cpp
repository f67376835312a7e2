// Adaptive instance normalisation: the functions of blend.hpp that give the text the picture's mean and deviation.
#include <ATen/ATen.h>

#include "base/check.hpp"
#include "conditioning/rows.hpp"
#include "llmdit/blend.hpp"

namespace llmdit {
namespace {

using namespace conditioning;

/// Text rows with mean and deviation of the picture's, both taken along `dims`.
at::Tensor restyle(const Sides& sides, at::IntArrayRef dims, std::string_view operation) {
  const auto mean = [&](const at::Tensor& x) { return x.mean(dims, /*keepdim=*/true); };
  const auto spread = [&](const at::Tensor& x) { return deviation(x, dims, operation).clamp_min(least_deviation); };
  const at::Tensor text = sides.common_text(), vl = sides.common_vl();
  return (text - mean(text)) / spread(text) * spread(vl) + mean(vl);
}

}  // namespace

at::Tensor blend_adain(const at::Tensor& text, const at::Tensor& vl, double alpha, bool per_token) {
  constexpr std::string_view op = "blend_adain";
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    const at::Tensor styled = per_token ? restyle(sides, {1}, op) : restyle(sides, {0, 1}, op);
    return to_output(sides.with_common(mix(alpha, styled, sides.common_text())), text, op);
  });
}

at::Tensor blend_adain_per_dim(const at::Tensor& text, const at::Tensor& vl, double alpha) {
  constexpr std::string_view op = "blend_adain_per_dim";
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    check(sides.common > 1, op,
          "expected two rows or more on both sides, got {} of vl and {} of text: one row has no standard deviation; "
          "blend_adain takes it along the row",
          sides.vl.size(0), sides.text.size(0));
    return to_output(sides.with_common(mix(alpha, restyle(sides, {0}, op), sides.common_text())), text, op);
  });
}

}  // namespace llmdit
