#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/added_tokens.hpp"

namespace llmdit::text {

/// What a tokenizer file of the byte-level BPE kind says.
struct ByteLevelDescription {
  static constexpr int64_t kMaxId = (1 << 22) - 1;  ///< 27 times Qwen3's; keeps a damaged id from taking gigabytes
  static constexpr size_t kMaxAddedLength = 1024;   ///< bytes; bounds the search at every place of a text

  /// What the file calls its parts, for messages.
  struct Keys {
    std::string_view vocab, merges, added_tokens;
  };

  Keys keys;
  std::vector<std::optional<std::string>> tokens;  ///< the vocabulary's spellings by id
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added_tokens;
  std::string split_pattern;
  bool normalizes = false;     ///< to NFC
  bool ignore_merges = false;  ///< a word that is a token is not built by merges
  bool has_fallback = false;   ///< a rule for bytes without a token
};

}  // namespace llmdit::text
