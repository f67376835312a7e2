#include "llmdit/steering.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "conditioning/names.hpp"
#include "conditioning/rows.hpp"

namespace llmdit {
namespace {

using namespace conditioning;

at::Tensor reduce(const at::Tensor& rows, RowReduction reduction) {
  switch (reduction) {
    case RowReduction::mean:
      return rows.mean(0);
    case RowReduction::max:
      return rows.amax(0);
    case RowReduction::last:
      return rows[rows.size(0) - 1];
    case RowReduction::first:
      return rows[0];
  }
  fail(ErrorCode::invalid_argument, "steering", "expected a RowReduction, got {}", static_cast<int>(reduction));
}

/// Mean over prompts of their reduced rows, float64 on the CPU.
at::Tensor centre(std::span<const at::Tensor> prompts, RowReduction reduction, std::string_view op,
                  std::string_view what) {
  check(!prompts.empty(), op, "expected one {} prompt or more, got none", what);
  at::Tensor sum;
  for (const at::Tensor& prompt : prompts) {
    const at::Tensor row = reduce(to_rows(prompt, op, what), reduction).to(at::kCPU, at::kDouble);
    check(!sum.defined() || sum.size(0) == row.size(0), op, "expected {} prompts of one width, got {} and {}", what,
          sum.defined() ? sum.size(0) : 0, row.size(0));
    sum = sum.defined() ? sum + row : row;
  }
  return sum / static_cast<double>(prompts.size());
}

}  // namespace

RowReduction parse_row_reduction(std::string_view name) { return parse_choice<RowReduction>("reduction", name); }

EmbeddingComparison compare_embeddings(const at::Tensor& a, const at::Tensor& b, RowReduction reduction) {
  constexpr std::string_view op = "compare_embeddings";
  return compute(op, [&] {
    const at::Tensor x = centre({&a, 1}, reduction, op, "a"), y = centre({&b, 1}, reduction, op, "b");
    check(x.size(0) == y.size(0), op, "expected a and b of one width, got {} and {}", x.size(0), y.size(0));
    const double norms = x.norm().item<double>() * y.norm().item<double>();
    return EmbeddingComparison{.cosine_similarity = norms > 0 ? x.dot(y).item<double>() / norms : 0,
                               .mean_squared_error = (x - y).square().mean().item<double>()};
  });
}

at::Tensor steering_vector(std::span<const at::Tensor> positive, std::span<const at::Tensor> negative,
                           RowReduction reduction, bool normalize) {
  constexpr std::string_view op = "steering_vector";
  return compute(op, [&] {
    const at::Tensor to = centre(positive, reduction, op, "positive"),
                     from = centre(negative, reduction, op, "negative");
    check(to.size(0) == from.size(0), op, "expected positive and negative prompts of one width, got {} and {}",
          to.size(0), from.size(0));
    at::Tensor vector = to - from;
    const double length = vector.norm().item<double>();
    if (normalize && length > 0) vector = vector / length;
    return vector.to(at::kFloat);
  });
}

at::Tensor apply_steering(const at::Tensor& embeddings, const at::Tensor& vector, double scale) {
  constexpr std::string_view op = "apply_steering";
  return compute(op, [&] {
    check(std::isfinite(scale), op, "expected a finite scale, got {}", scale);
    check(vector.defined() && vector.dim() == 1, op, "expected a vector [hidden]");
    const at::Tensor rows = to_rows(embeddings, op, "embeddings");
    const at::Tensor direction = to_rows(vector.unsqueeze(0), op, "vector").to(rows.options());
    check(direction.size(1) == rows.size(1), op, "expected a vector as wide as the embeddings, {}, got {}",
          rows.size(1), direction.size(1));
    return to_output(rows + scale * direction, embeddings, op);
  });
}

}  // namespace llmdit
