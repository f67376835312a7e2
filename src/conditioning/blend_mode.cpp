// The function of blend.hpp that chooses among the others by name.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "conditioning/names.hpp"
#include "conditioning/rows.hpp"
#include "llmdit/blend.hpp"

namespace llmdit {
namespace {

constexpr std::string_view blend_op = "blend";

at::Tensor blend_style_delta(const at::Tensor& vl, const at::Tensor& text, const BlendOptions& options) {
  check(options.neutral.defined(), blend_op,
        "expected the rows of a neutral picture for mode style_delta, got none; give BlendOptions::neutral");
  return blend_with_style_delta(text, compute_style_delta(vl, options.neutral), options.alpha);
}

at::Tensor blend_by_mode(const at::Tensor& vl, const at::Tensor& text, const BlendOptions& options) {
  const double alpha = options.alpha;
  switch (options.mode) {
    case BlendMode::interpolate:
      return blend_interpolate(vl, text, alpha);
    case BlendMode::linear:
      return blend_embeddings(vl, text, alpha);
    case BlendMode::adain:
      return blend_adain(text, vl, alpha);
    case BlendMode::adain_per_dim:
      return blend_adain_per_dim(text, vl, alpha);
    case BlendMode::style_only:
      return blend_style_only(vl, text, alpha);
    case BlendMode::graduated:
      return blend_per_token(vl, text, create_graduated_alpha(text.size(0), 0, 2 * alpha));
    case BlendMode::attention_weighted:
      return blend_attention_weighted(vl, text, alpha, options.attention_weights);
    case BlendMode::style_delta:
      return blend_style_delta(vl, text, options);
  }
  fail(ErrorCode::invalid_argument, blend_op, "expected a BlendMode, got {}", static_cast<int>(options.mode));
}

bool pairs_rows(BlendMode mode) { return mode != BlendMode::interpolate && mode != BlendMode::style_delta; }

std::vector<std::string> warnings_of(const at::Tensor& vl, const at::Tensor& text, const BlendOptions& options) {
  std::vector<std::string> warnings;
  const int64_t m = vl.size(0), n = text.size(0);
  const std::string_view name = blend_mode_name(options.mode);
  if (pairs_rows(options.mode) && m < n) {
    warnings.push_back(fmt::format(
        "blend mode {} changed {} of the prompt's {} rows, as many as the picture has; the others stayed as they were",
        name, m, n));
  }
  if (pairs_rows(options.mode) && m > n) {
    warnings.push_back(fmt::format(
        "blend mode {} used {} of the picture's {} rows, as many as the prompt has; mode interpolate uses all", name, n,
        m));
  }
  const bool weighted = options.mode == BlendMode::attention_weighted;
  if (weighted && !options.attention_weights.defined()) {
    warnings.push_back("blend mode attention_weighted without weights is mode linear");
  }
  if (!weighted && options.attention_weights.defined()) {
    warnings.push_back(fmt::format("attention weights play no role in blend mode {}", name));
  }
  if (options.mode != BlendMode::style_delta && options.neutral.defined()) {
    warnings.push_back(fmt::format("a neutral picture plays no role in blend mode {}", name));
  }
  if (options.mode == BlendMode::graduated && n == 1 && options.alpha > 0)
    warnings.emplace_back("blend mode graduated begins with the prompt alone, and the prompt has one row");
  return warnings;
}

}  // namespace

BlendMode parse_blend_mode(std::string_view name) { return parse_choice<BlendMode>("blend_mode", name); }

std::string_view blend_mode_name(BlendMode mode) noexcept { return enum_name(mode); }

BlendResult blend(const at::Tensor& vl, const at::Tensor& text, const BlendOptions& options) {
  conditioning::compute(blend_op, [&] {  // before anything asks for their sizes
    conditioning::check_alpha(options.alpha, blend_op);
    conditioning::to_sides(vl, text, blend_op);
  });
  at::Tensor mixed = blend_by_mode(vl, text, options);
  return {.embeddings = std::move(mixed), .warnings = warnings_of(vl, text, options)};
}

}  // namespace llmdit
