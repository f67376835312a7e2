#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

// Mixes the embeddings of a picture with those of a prompt. For every function here:
//
// - `vl` [m, hidden] are rows of a vision-language model, `text` [n, hidden] rows of the text encoder. Mind the order:
// the functions
//   that move the text towards the picture's rows take `vl` first, those that restyle the text take `text` first.
// - The result is [n, hidden] with the text's dtype on the text's device. Sums are float32, or float64 for a float64
// text; a standard
//   deviation is the unbiased one. No gradients are recorded.
// - Where row i of the one meets row i of the other, the first min(m, n) rows are mixed. Rows of the text past them
// stay as
//   they are, rows of `vl` past them play no role; `blend_interpolate` and style deltas use all of them.
// - invalid_argument: not [rows, hidden] of floating-point numbers, no rows, NaN or infinity, unequal widths, an alpha
// outside 0..1 (0 is
//   the text, bit for bit; 1 the picture), a standard deviation of a single number, a result that the text's dtype
//   cannot hold.

/// alpha * vl + (1 - alpha) * text, row by row. Without `match_lengths` unequal numbers of rows are an error.
LLMDIT_EXPORT at::Tensor blend_embeddings(const at::Tensor& vl, const at::Tensor& text, double alpha,
                                          bool match_lengths = true);

/// The same with `vl` first resampled to the text's n rows: row j is taken at (j + 0.5) * m / n - 0.5, linearly between
/// two rows and never past the ends.
LLMDIT_EXPORT at::Tensor blend_interpolate(const at::Tensor& vl, const at::Tensor& text, double alpha);

/// blend_embeddings in the columns `dims` only; by default those from 2 * hidden / 3 on.
LLMDIT_EXPORT at::Tensor blend_style_only(const at::Tensor& vl, const at::Tensor& text, double alpha = 0.3,
                                          const std::optional<std::vector<int64_t>>& dims = {});

/// blend_embeddings with an alpha for each row: at least min(m, n) numbers in 0..1, of which the first so many count.
LLMDIT_EXPORT at::Tensor blend_per_token(const at::Tensor& vl, const at::Tensor& text, const at::Tensor& alphas);

/// How alpha runs along the rows, t from 0 to 1.
enum class AlphaCurve {
  linear,    ///< t
  ease_in,   ///< t^2
  ease_out,  ///< 1 - (1 - t)^2
};

/// Throws invalid_argument for a name that is none.
LLMDIT_EXPORT AlphaCurve parse_alpha_curve(std::string_view name);

/// start + curve(t) * (end - start) for `count` rows, float32 [count], cut off at 0 and 1: a ramp to 1.4 reaches 1 and
/// stays there. One row gets `start`.
LLMDIT_EXPORT at::Tensor create_graduated_alpha(int64_t count, double start = 0.0, double end = 0.5,
                                                AlphaCurve curve = AlphaCurve::linear);

/// blend_per_token with alpha * (1 - 0.8 * w), w the weights brought to 0..1 by their least and greatest: rows that
/// matter stay closer to the text. `weights`: at least min(m, n) numbers. Without weights this is blend_embeddings.
LLMDIT_EXPORT at::Tensor blend_attention_weighted(const at::Tensor& vl, const at::Tensor& text, double alpha,
                                                  const std::optional<at::Tensor>& weights = {});

/// What a style adds: the first min(a, b) rows of `styled` [a, hidden] - `neutral` [b, hidden], divided by the standard
/// deviation of all their numbers when `normalize` is set and it is not 0. Has the dtype and device of `styled`.
LLMDIT_EXPORT at::Tensor compute_style_delta(const at::Tensor& styled, const at::Tensor& neutral,
                                             bool normalize = true);

/// text + alpha * delta, `delta` [m, hidden] first resampled to n rows as in blend_interpolate and, with
/// `scale_to_text`, brought to the text's standard deviation (unless its own is 0). Any finite alpha: a negative one
/// takes the style away.
LLMDIT_EXPORT at::Tensor blend_with_style_delta(const at::Tensor& text, const at::Tensor& delta, double alpha = 0.3,
                                                bool scale_to_text = true);

/// Adaptive instance normalisation: the text's rows with the mean and standard deviation of the picture's, mixed with
/// the text by alpha. `per_token` takes both of each row for itself, otherwise of all mixed rows at once. Deviations
/// below 1e-6 count as 1e-6.
LLMDIT_EXPORT at::Tensor blend_adain(const at::Tensor& text, const at::Tensor& vl, double alpha = 0.3,
                                     bool per_token = true);

/// The same with mean and standard deviation of each column over the mixed rows, of which there must be two.
LLMDIT_EXPORT at::Tensor blend_adain_per_dim(const at::Tensor& text, const at::Tensor& vl, double alpha = 0.3);

struct EmbeddingStats {
  std::vector<int64_t> shape;
  double mean = 0, std = 0, min = 0, max = 0;
};

struct BlendStats {
  EmbeddingStats vl;
  EmbeddingStats text;
};

/// What both sides are like before they are mixed; their widths may differ.
LLMDIT_EXPORT BlendStats compute_blend_stats(const at::Tensor& vl, const at::Tensor& text);

/// Every way to mix, by name.
enum class BlendMode {
  interpolate,         ///< blend_interpolate
  linear,              ///< blend_embeddings
  adain,               ///< blend_adain, each row for itself
  adain_per_dim,       ///< blend_adain_per_dim
  style_only,          ///< blend_style_only in the last third of the columns
  graduated,           ///< blend_per_token with alphas from 0 to 2 * alpha, at most 1
  attention_weighted,  ///< blend_attention_weighted
  style_delta,         ///< blend_with_style_delta of what sets the picture apart from a neutral one
};

/// Throws invalid_argument for a name that is none.
LLMDIT_EXPORT BlendMode parse_blend_mode(std::string_view name);
LLMDIT_EXPORT std::string_view blend_mode_name(BlendMode mode) noexcept;

struct BlendOptions {
  BlendMode mode = BlendMode::interpolate;
  double alpha = 0.3;              ///< 0 the text alone, 1 the picture alone (style_delta: the style at full strength)
  at::Tensor neutral{};            ///< style_delta: rows of a neutral picture [b, hidden]
  at::Tensor attention_weights{};  ///< attention_weighted: how much each row of the text matters
};

struct BlendResult {
  at::Tensor embeddings;              ///< [n, hidden]
  std::vector<std::string> warnings;  ///< rows that were not mixed, and options without effect
};

/// Mixes by `options.mode`. Throws invalid_argument where a mode lacks what it needs, besides what the functions throw.
LLMDIT_EXPORT BlendResult blend(const at::Tensor& vl, const at::Tensor& text, const BlendOptions& options = {});

}  // namespace llmdit
