#include "conditioning/rows.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.hpp"

namespace llmdit::conditioning {
namespace {

bool is_finite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

}  // namespace

at::Tensor to_rows(const at::Tensor& embeddings, std::string_view operation, std::string_view what) {
  check(embeddings.defined(), operation, "expected {} as a tensor [rows, hidden], got none", what);
  const bool usable = embeddings.dim() == 2 && embeddings.layout() == at::kStrided && embeddings.is_floating_point();
  check(usable && embeddings.numel() > 0, operation,
        "expected {} as floating-point numbers [rows, hidden], both at least 1; got {} {}", what,
        c10::toString(embeddings.scalar_type()), embeddings.sizes());
  const at::Tensor rows = embeddings.detach().to(embeddings.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  if (!is_finite(rows)) {
    const int64_t row = at::isfinite(rows).all(1).logical_not().to(at::kInt).argmax().item<int64_t>();
    fail(
        ErrorCode::invalid_argument, operation,
        "expected finite numbers in {}, got NaN or infinity, first in row {}; the model that made it overflowed or its "
        "weights are damaged",
        what, row);
  }
  return rows;
}

at::Tensor to_output(const at::Tensor& result, const at::Tensor& like, std::string_view operation) {
  const at::Tensor output = result.to(like.options());
  check(is_finite(output.to(result.scalar_type())), operation,
        "expected a result that {} can hold, got numbers up to {:.3g}; give a wider type",
        c10::toString(like.scalar_type()), result.abs().max().item<double>());
  return output;
}

at::Tensor Sides::with_common(const at::Tensor& rows) const {
  const int64_t rest = text.size(0) - common;
  return rest == 0 ? rows : at::cat({rows, text.narrow(0, common, rest)});
}

Sides to_sides(const at::Tensor& vl, const at::Tensor& text, std::string_view operation) {
  Sides sides{.vl = to_rows(vl, operation, "vl"), .text = to_rows(text, operation, "text"), .common = 0};
  check(sides.vl.size(1) == sides.text.size(1), operation,
        "expected vl and text of one width, got {} and {}; both models must have the transformer's width",
        sides.vl.size(1), sides.text.size(1));
  sides.vl = sides.vl.to(sides.text.options());
  sides.common = std::min(sides.vl.size(0), sides.text.size(0));
  return sides;
}

void check_alpha(double alpha, std::string_view operation) {
  check(alpha >= 0 && alpha <= 1, operation, "expected an alpha from 0 (text) to 1 (picture), got {}", alpha);
}

at::Tensor deviation(const at::Tensor& rows, at::IntArrayRef dims, std::string_view operation) {
  int64_t numbers = 1;
  for (int64_t dim : dims) numbers *= rows.size(dim);
  check(numbers > 1, operation, "expected more than one number for a standard deviation, got [rows, hidden] = {}",
        rows.sizes());
  const at::Tensor spread = rows.std(dims, /*unbiased=*/true, /*keepdim=*/true);
  check(is_finite(spread), operation, "expected numbers whose squares float32 can hold, got up to {:.3g}",
        rows.abs().max().item<double>());
  return spread;
}

double deviation(const at::Tensor& rows, std::string_view operation) {
  return deviation(rows, {0, 1}, operation).item<double>();
}

at::Tensor resample(const at::Tensor& rows, int64_t count) {
  const int64_t m = rows.size(0);
  if (m == count) return rows;
  // Places in float64: float32 would be off by 1e-4 of a row among some thousand rows.
  std::vector<int64_t> lower(static_cast<size_t>(count)), upper(lower.size());
  std::vector<double> share(lower.size());
  for (size_t j = 0; j < lower.size(); ++j) {
    const double place = (static_cast<double>(j) + 0.5) * static_cast<double>(m) / static_cast<double>(count) - 0.5;
    const double clamped = std::clamp(place, 0.0, static_cast<double>(m - 1));
    lower[j] = static_cast<int64_t>(clamped);
    upper[j] = std::min(lower[j] + 1, m - 1);
    share[j] = clamped - static_cast<double>(lower[j]);
  }
  const auto place = [&](const std::vector<int64_t>& index) {
    return rows.index_select(0, at::tensor(index, at::kLong).to(rows.device()));
  };
  const at::Tensor weight = at::tensor(share, at::kDouble).to(rows.options()).unsqueeze(1);
  return mix(weight, place(upper), place(lower));
}

}  // namespace llmdit::conditioning
