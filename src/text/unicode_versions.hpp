#pragma once

#include <optional>
#include <string>
#include <string_view>

// The reference (`tokenizers` 0.23) splits by Unicode 16 and normalises by Unicode 9. PCRE2 and utf8proc know other
// versions, so these two functions name the code points on which they would disagree with it.

namespace llmdit::text {

/// Code points that Unicode got after version 9 and that a newer NFC reorders or composes. The reference leaves them
/// and keeps what is around them apart.
bool is_unknown_to_reference_nfc(char32_t code_point);

/// The text with every code point that PCRE2 10.42 (Unicode 14) puts in another category than the reference replaced by
/// an older one of the right category and the same number of bytes, so that match offsets stay true. Nothing when there
/// is none.
std::optional<std::string> with_reference_categories(std::string_view text);

}  // namespace llmdit::text
