#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "llmdit/export.hpp"

namespace llmdit {

/// A mix of hidden layers: a weight by entry of hidden_states (0 the embeddings, k after block k, -1 after the final
/// norm). Weights are divided by their sum, which is above 0; single ones may be negative.
using LayerWeights = std::map<int64_t, double>;

/// Tokens [begin, end) that take another mix than the rest of the text. Negative ones count from the text's end; no
/// end is the text's own.
struct LayerSpan {
  int64_t begin = 0;
  std::optional<int64_t> end{};
  LayerWeights weights{};

  bool operator==(const LayerSpan&) const = default;
};

/// "-2:0.7,-5:0.3" as a mix; "" is none. Throws invalid_argument for another form, a layer named twice, or weights that
/// are not finite or whose sum is not above 0.
LLMDIT_EXPORT LayerWeights parse_layer_weights(std::string_view text);

/// "3:12=-2:0.7,-5:0.3": the tokens, then their mix; either number of the tokens may be left out.
LLMDIT_EXPORT LayerSpan parse_layer_span(std::string_view text);

/// The text that is read back as the same numbers.
LLMDIT_EXPORT std::string to_string(const LayerWeights& weights);
LLMDIT_EXPORT std::string to_string(const LayerSpan& span);

}  // namespace llmdit
