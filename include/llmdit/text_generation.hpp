#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/options.hpp"
#include "llmdit/token_sampling.hpp"

namespace llmdit {

/// A token as it is written.
struct TokenInfo {
  int64_t step = 0;  ///< from 0
  int64_t id = 0;    ///< -1 for the text of a server, which sends no ids
  std::string text;  ///< what is new of the text, in whole characters: empty while one is not complete
};

/// Called on the calling thread for each token but the one that ends the text; true ends the text there.
using TokenCallback = std::function<bool(const TokenInfo&)>;

enum class FinishReason {
  stop,     ///< the model ended its text
  length,   ///< max_new_tokens were written
  request,  ///< the callback ended it
};

LLMDIT_EXPORT std::string_view finish_reason_name(FinishReason reason) noexcept;

struct TextGenerationOptions {
  SamplingOptions sampling{};
  int64_t max_new_tokens = 512;
  std::optional<uint64_t> seed{};  ///< not given: drawn, and reported

  // Below: what stands in no table.
  std::vector<int64_t> stop_ids{};  ///< end the text besides the model's own
  TokenCallback on_token{};
  std::stop_token stop{};  ///< asked before each block; a stop throws cancelled
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<TextGenerationOptions>();

struct GeneratedText {
  std::string text;                ///< without special tokens; <think> is none
  std::vector<int64_t> token_ids;  ///< what was written, without the token that ended it
  int64_t prompt_tokens = 0;
  FinishReason finish_reason = FinishReason::stop;
  std::optional<int64_t> stop_id;  ///< the token that ended it
  uint64_t seed = 0;
  double prompt_seconds = 0;  ///< until the first token
  double seconds = 0;         ///< of all
};

}  // namespace llmdit
