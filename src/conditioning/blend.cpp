#include "llmdit/blend.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "conditioning/names.hpp"
#include "conditioning/rows.hpp"

namespace llmdit {
namespace {

using namespace conditioning;

/// One number a row of both, [common, 1]; `what` names them in errors.
at::Tensor per_row(const at::Tensor& numbers, const Sides& sides, std::string_view operation, std::string_view what) {
  check(numbers.defined() && numbers.dim() == 1 && !numbers.is_complex() && numbers.layout() == at::kStrided, operation,
        "expected {} as one number a row, [rows]", what);
  check(numbers.size(0) >= sides.common, operation, "expected {} for {} rows, got {}", what, sides.common,
        numbers.size(0));
  const at::Tensor values = numbers.detach().to(sides.text.options());
  check(at::isfinite(values).all().item<bool>(), operation, "expected finite {}, got NaN or infinity", what);
  return values;
}

at::Tensor blend_rows(const Sides& sides, const at::Tensor& alphas) {
  return sides.with_common(mix(alphas.narrow(0, 0, sides.common).unsqueeze(1), sides.common_vl(), sides.common_text()));
}

EmbeddingStats stats_of(const at::Tensor& embeddings, std::string_view operation, std::string_view what) {
  const at::Tensor rows = to_rows(embeddings, operation, what);
  return {.shape = rows.sizes().vec(),
          .mean = rows.mean().item<double>(),
          .std = deviation(rows, operation),
          .min = rows.min().item<double>(),
          .max = rows.max().item<double>()};
}

}  // namespace

at::Tensor blend_embeddings(const at::Tensor& vl, const at::Tensor& text, double alpha, bool match_lengths) {
  constexpr std::string_view op = "blend_embeddings";
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    check(match_lengths || sides.vl.size(0) == sides.text.size(0), op,
          "expected vl and text of equal length without match_lengths, got {} and {} rows", sides.vl.size(0),
          sides.text.size(0));
    return to_output(sides.with_common(mix(alpha, sides.common_vl(), sides.common_text())), text, op);
  });
}

at::Tensor blend_interpolate(const at::Tensor& vl, const at::Tensor& text, double alpha) {
  constexpr std::string_view op = "blend_interpolate";
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    return to_output(mix(alpha, resample(sides.vl, sides.text.size(0)), sides.text), text, op);
  });
}

at::Tensor blend_style_only(const at::Tensor& vl, const at::Tensor& text, double alpha,
                            const std::optional<std::vector<int64_t>>& dims) {
  constexpr std::string_view op = "blend_style_only";
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    const int64_t width = sides.text.size(1);
    at::Tensor chosen = at::zeros({width}, at::kBool);
    if (dims) {
      for (int64_t dim : *dims) {
        check(dim >= 0 && dim < width, op, "expected dims from 0 to {}, got {}", width - 1, dim);
        chosen[dim] = true;
      }
    } else {
      chosen.narrow(0, 2 * width / 3, width - 2 * width / 3).fill_(true);
    }
    const at::Tensor mixed = mix(alpha, sides.common_vl(), sides.common_text());
    return to_output(sides.with_common(at::where(chosen.to(mixed.device()), mixed, sides.common_text())), text, op);
  });
}

at::Tensor blend_per_token(const at::Tensor& vl, const at::Tensor& text, const at::Tensor& alphas) {
  constexpr std::string_view op = "blend_per_token";
  return compute(op, [&] {
    const Sides sides = to_sides(vl, text, op);
    const at::Tensor values = per_row(alphas, sides, op, "alphas");
    check(values.min().item<double>() >= 0 && values.max().item<double>() <= 1, op,
          "expected alphas from 0 (text) to 1 (picture), got {:.4g} to {:.4g}", values.min().item<double>(),
          values.max().item<double>());
    return to_output(blend_rows(sides, values), text, op);
  });
}

AlphaCurve parse_alpha_curve(std::string_view name) { return parse_choice<AlphaCurve>("curve", name); }

at::Tensor create_graduated_alpha(int64_t count, double start, double end, AlphaCurve curve) {
  constexpr std::string_view op = "create_graduated_alpha";
  return compute(op, [&] {
    check(count > 0 && count <= int64_t{1} << 24, op, "expected a count of rows from 1 to {}, got {}", int64_t{1} << 24,
          count);
    check(std::isfinite(start) && std::isfinite(end), op, "expected finite start and end, got {} and {}", start, end);
    at::Tensor t = at::linspace(0, 1, count, at::kDouble);
    if (curve == AlphaCurve::ease_in) t = t.square();
    if (curve == AlphaCurve::ease_out) t = 1 - (1 - t).square();
    return (start + t * (end - start)).clamp(0, 1).to(at::kFloat);
  });
}

at::Tensor blend_attention_weighted(const at::Tensor& vl, const at::Tensor& text, double alpha,
                                    const std::optional<at::Tensor>& weights) {
  if (!weights || !weights->defined()) return blend_embeddings(vl, text, alpha);
  constexpr std::string_view op = "blend_attention_weighted";
  constexpr double protection = 0.8;  // how much of alpha the row that matters most is spared
  return compute(op, [&] {
    check_alpha(alpha, op);
    const Sides sides = to_sides(vl, text, op);
    const at::Tensor values = per_row(*weights, sides, op, "weights");
    const at::Tensor low = values.min(), range = values.max() - low;
    return to_output(blend_rows(sides, alpha * (1 - protection * (values - low) / (range + 1e-8))), text, op);
  });
}

BlendStats compute_blend_stats(const at::Tensor& vl, const at::Tensor& text) {
  constexpr std::string_view op = "compute_blend_stats";
  return compute(op, [&] { return BlendStats{.vl = stats_of(vl, op, "vl"), .text = stats_of(text, op, "text")}; });
}

}  // namespace llmdit
