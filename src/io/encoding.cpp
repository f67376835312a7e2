#include "io/encoding.hpp"

#include <algorithm>
#include <cstdint>

namespace llmdit::io {
namespace {

/// The code point at `text[at]`, moving `at` behind it; nothing, and one byte further, where the bytes are not UTF-8.
std::optional<char32_t> next_code_point(std::string_view text, size_t& at) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  if (lead < 0x80) return text[at++];

  const int extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t code = lead & (0x3f >> extra);
  const size_t start = at++;
  if (lead < 0xc2 || lead > 0xf4 || start + extra >= text.size()) return std::nullopt;
  for (int i = 1; i <= extra; ++i) {
    if ((byte(start + i) & 0xc0) != 0x80) return std::nullopt;
    code = code << 6 | (byte(start + i) & 0x3f);
  }
  const char32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  if (code < smallest[extra] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
  at = start + 1 + extra;
  return code;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (size_t at = 0; at < text.size();) {
    if (!next_code_point(text, at)) return false;
  }
  return true;
}

std::string latin1_to_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto code = static_cast<uint8_t>(c);
    if (code < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xc0 | code >> 6);
      result += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return result;
}

std::optional<std::string> utf8_to_latin1(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto code = next_code_point(text, at);
    if (!code || *code > 0xff) return std::nullopt;
    result += static_cast<char>(*code);
  }
  return result;
}

std::u32string utf8_to_utf32(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) result += next_code_point(text, at).value_or(U'\ufffd');
  return result;
}

std::optional<std::string> utf32_to_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t code : text) {
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
    const auto continuation = [&](int shift) { result += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      result += static_cast<char>(code);
    } else if (code < 0x800) {
      result += static_cast<char>(0xc0 | code >> 6);
      continuation(0);
    } else if (code < 0x10000) {
      result += static_cast<char>(0xe0 | code >> 12);
      continuation(6);
      continuation(0);
    } else {
      result += static_cast<char>(0xf0 | code >> 18);
      continuation(12);
      continuation(6);
      continuation(0);
    }
  }
  return result;
}

std::string printable(std::string_view text, size_t max_bytes) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (at >= max_bytes) return result + "...";
    const size_t start = at;
    const auto code = next_code_point(text, at);
    const bool is_control = code && (*code < 0x20 || (*code >= 0x7f && *code < 0xa0));
    result += !code ? "\xef\xbf\xbd" : is_control ? "?" : text.substr(start, at - start);
  }
  return result;
}

std::string printable_list(const std::vector<std::string>& names, size_t shown) {
  std::string list;
  for (size_t i = 0; i < std::min(shown, names.size()); ++i) list += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > shown ? list + ", ..." : list;
}

std::string printable_path(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return printable({reinterpret_cast<const char*>(text.data()), text.size()}, std::string_view::npos);
}

std::filesystem::path path_from_utf8(std::string_view text) {
  return std::u8string(reinterpret_cast<const char8_t*>(text.data()), text.size());
}

}  // namespace llmdit::io
