#pragma once

#include <string_view>

namespace llmdit {

/// Without spaces, tabs and ends of lines at either end.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  return first == text.npos ? "" : text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

inline bool is_blank(std::string_view text) { return trimmed(text).empty(); }

}  // namespace llmdit
