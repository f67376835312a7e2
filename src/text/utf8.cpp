#include "text/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace llmdit::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

uint8_t byte_at(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

size_t skip_ascii(std::string_view text, size_t at) {
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t block;
    std::memcpy(&block, text.data() + at, sizeof block);
    if ((block & 0x8080808080808080u) != 0) break;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

}  // namespace

CodePoint next_code_point(std::string_view text, size_t at) {
  const uint8_t lead = byte_at(text, at);
  if (lead < 0x80) return {lead, 1};
  size_t length;
  char32_t value;
  // The second byte's bounds keep out overlong forms, surrogates and what lies above U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    value = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    value = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    value = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {kReplacement, 1};
  }
  for (size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {kReplacement, i};
    const uint8_t byte = byte_at(text, at + i);
    if (byte < low || byte > high) return {kReplacement, i};
    value = value << 6 | (byte & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, length};
}

void append_utf8(std::string& text, char32_t c) {
  const auto push = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

size_t incomplete_tail(std::string_view text) {
  const auto sequence_length = [](uint8_t lead) -> size_t { return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2; };
  for (size_t count = 1; count <= 3 && count <= text.size(); ++count) {
    const size_t at = text.size() - count;
    const uint8_t lead = byte_at(text, at);
    if (lead < 0x80) return 0;
    if (lead < 0xC0) continue;
    const bool is_cut =
        next_code_point(text, at).length == count && count < sequence_length(lead) && lead >= 0xC2 && lead <= 0xF4;
    return is_cut ? count : 0;
  }
  return 0;
}

std::optional<std::string> replace_invalid_utf8(std::string_view text) {
  std::optional<std::string> repaired;
  size_t copied = 0;
  for (size_t at = skip_ascii(text, 0); at < text.size(); at = skip_ascii(text, at)) {
    const auto [value, length] = next_code_point(text, at);
    const bool is_real_replacement = text.substr(at, length) == "\xEF\xBF\xBD";
    if (value == kReplacement && !is_real_replacement) {
      if (!repaired) repaired.emplace().reserve(text.size() + 16);
      repaired->append(text.substr(copied, at - copied));
      append_utf8(*repaired, kReplacement);
      copied = at + length;
    }
    at += length;
  }
  if (repaired) repaired->append(text.substr(copied));
  return repaired;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view trim(std::string_view text) {
  size_t begin = text.size();
  size_t end = text.size();
  for (size_t at = 0; at < text.size();) {
    const auto [code_point, length] = next_code_point(text, at);
    if (!is_space(code_point)) {
      if (begin == text.size()) begin = at;
      end = at + length;
    }
    at += length;
  }
  return text.substr(begin, end - begin);
}

}  // namespace llmdit::text
