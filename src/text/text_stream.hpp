#pragma once

#include <cstdint>
#include <string>

#include "llmdit/tokenizer.hpp"

namespace llmdit::text {

/// The text of tokens that come one by one, in pieces of whole characters; special tokens give nothing. The pieces are
/// together what decode() gives for all tokens, up to a character whose last bytes are still missing.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// What is new of the text with this token.
  std::string push(int64_t id);

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;  // the first bytes of a character
};

}  // namespace llmdit::text
