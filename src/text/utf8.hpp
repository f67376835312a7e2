#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace llmdit::text {

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;  ///< bytes
};

/// The code point at `at` < text.size(). Bytes that are no UTF-8 give U+FFFD for each maximal bad subpart, which is how
/// Python's bytes.decode("utf-8", "replace") and Rust's from_utf8_lossy cut them.
CodePoint next_code_point(std::string_view text, size_t at);

void append_utf8(std::string& text, char32_t code_point);

/// The text with U+FFFD for everything that is no UTF-8; nothing when it is valid already.
std::optional<std::string> replace_invalid_utf8(std::string_view text);

/// How many bytes at the end begin a character whose other bytes may still come: 0 to 3.
size_t incomplete_tail(std::string_view text);
/// Whether Python's str.isspace() and `\s` accept it: Unicode's White_Space and U+001C..U+001F.
bool is_space(char32_t c);

/// The text without spaces at both ends.
std::string_view trim(std::string_view text);

}  // namespace llmdit::text
