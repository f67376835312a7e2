#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/added_tokens.hpp"

namespace llmdit::text {

/// What a `tokenizer.json` of the byte-level BPE kind says.
struct TokenizerJson {
  std::vector<std::optional<std::string>> tokens;  ///< the vocabulary's spellings by id
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added_tokens;
  std::string split_pattern;
  bool normalizes = false;     ///< to NFC
  bool ignore_merges = false;  ///< a word that is a token is not built by merges
  bool has_fallback = false;   ///< a rule for bytes without a token
};

/// Reads and checks the file. Throws not_found when it cannot be read; unsupported, naming file and key, when it is
/// damaged or asks for anything that is not handled here. Memory stays in proportion to the file.
TokenizerJson read_tokenizer_json(const std::filesystem::path& file);

}  // namespace llmdit::text
