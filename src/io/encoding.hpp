#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::io {

bool is_utf8(std::string_view text) noexcept;

std::string latin1_to_utf8(std::string_view text);
/// Nothing when `text` is not UTF-8 or holds a character outside Latin-1.
std::optional<std::string> utf8_to_latin1(std::string_view text);

/// The code points of UTF-8 text; bytes that are none become U+FFFD.
std::u32string utf8_to_utf32(std::string_view text);
/// Nothing for a number that is no code point.
std::optional<std::string> utf32_to_utf8(std::u32string_view text);

/// `text` as it may stand in an error message: valid UTF-8 without control characters, cut after `max_bytes`.
std::string printable(std::string_view text, size_t max_bytes = 200);
/// The first few of several names in a message, each printable: "a, b, c, ...".
std::string printable_list(const std::vector<std::string>& names, size_t shown = 5);
std::string printable_path(const std::filesystem::path& path);

/// The native path of UTF-8 text, as configuration files and the C API carry it.
std::filesystem::path path_from_utf8(std::string_view text);

}  // namespace llmdit::io
