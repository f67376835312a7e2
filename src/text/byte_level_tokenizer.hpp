#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/byte_level_bpe.hpp"
#include "text/byte_level_description.hpp"
#include "text/split_regex.hpp"

namespace llmdit::text {

/// text -added tokens-> pieces -NFC, split-> words -byte pairs-> ids: what the `tokenizers` library makes of a
/// `tokenizer.json` with byte-level BPE. A GGUF file carries the same, told by its first bytes.
class ByteLevelTokenizer {
 public:
  static ByteLevelTokenizer load(const std::filesystem::path& file);

  /// `text` is valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const;
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const;
  std::optional<int64_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int64_t id) const;
  int64_t vocab_size() const;

 private:
  ByteLevelTokenizer(ByteLevelDescription description, std::string_view source);

  void append_piece(std::string_view piece, ByteLevelBpe::Scratch& scratch, std::vector<int64_t>& ids) const;

  ByteLevelBpe bpe_;
  SplitRegex split_;
  bool normalizes_;
  std::unordered_map<int64_t, AddedToken> added_tokens_;
  std::unordered_map<std::string, int64_t> added_ids_;
  AddedTokenMatcher raw_matcher_;
  AddedTokenMatcher normalized_matcher_;
};

}  // namespace llmdit::text
