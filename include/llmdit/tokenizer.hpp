#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// Text to token ids and back: byte-level BPE from a `tokenizer.json` or a GGUF file, or a SentencePiece
/// `tokenizer.model`.
/// Copies share their tables. All calls are const and may run on many threads at once.
class LLMDIT_EXPORT Tokenizer {
 public:
  /// A tokenizer folder, a `tokenizer.json`, a `tokenizer.model`, or a GGUF file with Qwen's tokenizer inside, whose
  /// control tokens are the special ones.
  /// Throws not_found when there is no such file, unsupported when the file is damaged or of another kind.
  static Tokenizer load(const std::filesystem::path& path);

  /// Token ids of UTF-8 text; added tokens such as <|im_start|> in the text become their ids.
  /// The text may have 1 GiB and is never cut; invalid UTF-8 is read as U+FFFD, as the reference reads it.
  std::vector<int64_t> encode(std::string_view text) const;

  /// The text of `ids`. Ids without a token give nothing, broken UTF-8 gives U+FFFD.
  /// Throws invalid_argument for negative ids.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = false) const;

  /// The id of an exact vocabulary entry or added token.
  std::optional<int64_t> token_to_id(std::string_view token) const;

  /// What the token adds to a text, in raw bytes that need not be whole UTF-8; nothing for ids without a token.
  std::optional<std::string> id_to_token(int64_t id) const;

  /// Largest id that has a token, plus one.
  int64_t vocab_size() const;

  /// The file the tokenizer was read from.
  const std::filesystem::path& path() const;

  struct Impl;

 private:
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace llmdit
