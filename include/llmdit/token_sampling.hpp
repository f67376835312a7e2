#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "llmdit/export.hpp"
#include "llmdit/options.hpp"

namespace llmdit {

/// How the next token is drawn, in transformers' terms and order: penalties on the raw scores, temperature, top-k,
/// top-p, min-p. The defaults are Qwen3's for thinking.
struct SamplingOptions {
  double temperature = 0.6;  ///< divides the scores; 0 takes the best token, and the next three play no role
  int64_t top_k = 20;        ///< only the best so many, and what equals the last of them; 0 is off
  double top_p = 0.95;       ///< only the best tokens whose probabilities sum up to this, the one that crosses it too
  double min_p = 0.0;        ///< only tokens that are at least this share as probable as the best; 0 is off
  double repetition_penalty = 1.0;  ///< divides positive scores of tokens in prompt and text, multiplies negative ones
  double presence_penalty = 0.0;    ///< subtracted once from each token that the text has
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<SamplingOptions>();

/// The tokens before the next one, which penalties look at.
struct TokenHistory {
  std::span<const int64_t> prompt{};
  std::span<const int64_t> generated{};
};

/// Probabilities of the next token: float32 of the shape of `logits`, [vocab_size] or [rows, vocab_size].
/// Throws invalid_argument for options out of bounds, for scores that are NaN, +inf or all -inf, and for ids of the
/// history outside the vocabulary.
LLMDIT_EXPORT at::Tensor sampling_probabilities(const at::Tensor& logits, const SamplingOptions& options = {},
                                                const TokenHistory& history = {});

}  // namespace llmdit
