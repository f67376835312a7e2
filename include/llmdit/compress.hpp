#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "llmdit/export.hpp"

namespace llmdit {

/// What becomes of a prompt that is longer than the transformer's limit. A prompt within it is never touched.
enum class LongPromptMode {
  truncate,        ///< the first rows; the rest is lost
  interpolate,     ///< linear resampling along the rows, first and last kept
  pool,            ///< each row the mean of its share of the rows
  attention_pool,  ///< likewise, weighted towards rows that differ from their neighbours
  extrapolate,     ///< nothing: positions past the model's rope table, which it has not been trained on
  segments,        ///< groups of sentences encoded each by itself and joined; interpolated only if that is too long
};

/// The limit of the published Z-Image-Turbo; that of a loaded model is max_caption_len(config).
inline constexpr int64_t max_text_seq_len = 1504;

/// Embeddings [tokens, width] of any float type as at most `max_len` rows of that type; the same tensor when they are
/// no more than that. Computed in float32 at least, and differentiable. `extrapolate` gives all rows back, `segments`
/// interpolates: it is made of texts, and rows are what it leaves.
/// Throws invalid_argument for another shape or type, numbers that are not finite, or a max_len below 1.
LLMDIT_EXPORT at::Tensor compress_embeddings(const at::Tensor& embeds, int64_t max_len = max_text_seq_len,
                                             LongPromptMode mode = LongPromptMode::truncate);

/// A rule of thumb for what is lost when `tokens` become `max_len`: "None (no compression needed)", "Low", "Medium",
/// "Medium-HIGH", "HIGH", or "Unknown" for extrapolate.
LLMDIT_EXPORT std::string_view estimate_quality_loss(int64_t tokens, int64_t max_len, LongPromptMode mode);

LLMDIT_EXPORT std::string_view long_prompt_mode_name(LongPromptMode mode) noexcept;
LLMDIT_EXPORT std::optional<LongPromptMode> parse_long_prompt_mode(std::string_view name) noexcept;

}  // namespace llmdit
