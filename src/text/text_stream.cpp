#include "text/text_stream.hpp"

#include <utility>

#include "text/utf8.hpp"

namespace llmdit::text {

std::string TextStream::push(int64_t id) {
  std::string bytes = tokenizer_.id_to_token(id).value_or("");
  if (tokenizer_.decode({&id, 1}, /*skip_special_tokens=*/true).empty()) bytes.clear();
  pending_ += bytes;
  const size_t whole = pending_.size() - incomplete_tail(pending_);
  std::string piece = pending_.substr(0, whole);
  pending_.erase(0, whole);
  auto repaired = replace_invalid_utf8(piece);
  return repaired ? *std::move(repaired) : piece;
}

}  // namespace llmdit::text
