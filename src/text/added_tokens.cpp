#include "text/added_tokens.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

/// Unicode's White_Space.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Where the white space that ends at `end` starts, at the earliest at `floor`.
size_t skip_space_left(std::string_view text, size_t floor, size_t end) {
  while (end > floor) {
    size_t start = end - 1;
    while (start > floor && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    if (!is_white_space(next_code_point(text, start).value)) break;
    end = start;
  }
  return end;
}

size_t skip_space_right(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto [value, length] = next_code_point(text, at);
    if (!is_white_space(value)) break;
    at += length;
  }
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) starts_[static_cast<uint8_t>(token.content.front())] = true;
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  // Narrows the sorted tokens byte by byte to those that start like the text; the shortest of these comes first.
  auto first = tokens_.begin();
  auto last = tokens_.end();
  const AddedToken* longest = nullptr;
  for (size_t depth = 0; first != last; ++depth) {
    if (first->content.size() == depth) {
      longest = &*first;
      if (++first == last) break;
    }
    if (at + depth == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[at + depth]);
    const auto byte_of = [depth](const AddedToken& token) { return static_cast<uint8_t>(token.content[depth]); };
    first = std::partition_point(first, last, [&](const AddedToken& token) { return byte_of(token) < byte; });
    last = std::partition_point(first, last, [&](const AddedToken& token) { return byte_of(token) == byte; });
  }
  return longest;
}

std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::cut(std::string_view text) const {
  std::vector<Piece> pieces;
  size_t copied = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = starts_[static_cast<uint8_t>(text[at])] ? longest_at(text, at) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    at = end;  // the search goes on behind the token itself, also inside the white space it strips
    if (token->strips_left && begin > copied) begin = skip_space_left(text, copied, begin);
    if (token->strips_right) end = skip_space_right(text, end);
    if (begin > copied) pieces.push_back({text.substr(copied, begin - copied), std::nullopt});
    pieces.push_back({text.substr(begin, end - begin), token->id});
    copied = end;
  }
  if (copied < text.size()) pieces.push_back({text.substr(copied), std::nullopt});
  return pieces;
}

}  // namespace llmdit::text
