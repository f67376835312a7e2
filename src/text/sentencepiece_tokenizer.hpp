#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/sentencepiece_engine.hpp"

namespace llmdit::text {

/// A SentencePiece `tokenizer.model`. User-defined symbols in the text become their ids, control symbols such as <s>
/// do not: SentencePiece reads them as text.
class SentencePieceTokenizer {
 public:
  static SentencePieceTokenizer load(const std::filesystem::path& file);

  /// `text` is valid UTF-8.
  std::vector<int64_t> encode(std::string_view text) const;
  /// Control symbols appear by their name, or not at all with `skip_special_tokens`.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const;
  std::optional<int64_t> token_to_id(std::string_view token) const;
  /// The piece with spaces for U+2581; the byte of a byte piece.
  std::optional<std::string> id_to_token(int64_t id) const;
  int64_t vocab_size() const;

 private:
  std::shared_ptr<const SentencePieceEngine> engine_;
};

}  // namespace llmdit::text
