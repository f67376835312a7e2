#pragma once

#include <string>
#include <string_view>

namespace llmdit::cli {

/// The text with every `what` made a `with`.
inline std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

}  // namespace llmdit::cli
