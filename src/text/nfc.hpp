#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmdit::text {

/// Unicode normal form C of valid UTF-8, as the `tokenizers` library makes it; nothing when the text has that form
/// already. Linear in the length of the text but for runs of combining marks, which are sorted.
std::optional<std::string> nfc(std::string_view text);

}  // namespace llmdit::text
