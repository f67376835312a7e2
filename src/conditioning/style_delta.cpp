// The functions of blend.hpp about what a style adds to a picture's embeddings.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "conditioning/rows.hpp"
#include "llmdit/blend.hpp"

namespace llmdit {

using namespace conditioning;

at::Tensor compute_style_delta(const at::Tensor& styled, const at::Tensor& neutral, bool normalize) {
  constexpr std::string_view op = "compute_style_delta";
  return compute(op, [&] {
    const at::Tensor a = to_rows(styled, op, "styled"), b = to_rows(neutral, op, "neutral").to(a.options());
    check(a.size(1) == b.size(1), op, "expected styled and neutral of one width, got {} and {}", a.size(1), b.size(1));
    const int64_t common = std::min(a.size(0), b.size(0));
    at::Tensor delta = a.narrow(0, 0, common) - b.narrow(0, 0, common);
    const double spread = normalize ? deviation(delta, op) : 0;
    if (spread > 0) delta = delta / spread;
    return to_output(delta, styled, op);
  });
}

at::Tensor blend_with_style_delta(const at::Tensor& text, const at::Tensor& delta, double alpha, bool scale_to_text) {
  constexpr std::string_view op = "blend_with_style_delta";
  return compute(op, [&] {
    check(std::isfinite(alpha), op, "expected a finite alpha, got {}", alpha);
    const at::Tensor rows = to_rows(text, op, "text");
    at::Tensor change = to_rows(delta, op, "delta").to(rows.options());
    check(change.size(1) == rows.size(1), op, "expected text and delta of one width, got {} and {}", rows.size(1),
          change.size(1));
    change = resample(change, rows.size(0));
    const double spread = scale_to_text ? deviation(change, op) : 0;
    if (spread > 0) change = change * (deviation(rows, op) / spread);
    return to_output(rows + alpha * change, text, op);
  });
}

}  // namespace llmdit
