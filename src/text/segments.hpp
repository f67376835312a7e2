#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace llmdit::text {

/// Where a text may be cut, from the best place to the worst.
enum class Break { sentence, clause, word, character };

/// Pieces that end at every such place; one after the other they are `text`. Blanks belong to the piece before them.
std::vector<std::string_view> split_at(Break place, std::string_view text);

/// How many tokens a text has by itself.
using CountTokens = std::function<int64_t(std::string_view)>;

/// Few groups of about one length with at most `most` tokens each: whole sentences, and of a longer one clauses,
/// words, characters. One after the other they are `text`. A single character may have more.
std::vector<std::string_view> split_into_groups(std::string_view text, int64_t most, const CountTokens& count);

}  // namespace llmdit::text
