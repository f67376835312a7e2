#include "io/exif.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::io {
namespace {

enum Tag : uint16_t {
  orientation_tag = 0x0112,
  exif_ifd_tag = 0x8769,
  exif_version_tag = 0x9000,
  maker_note_tag = 0x927c,
  user_comment_tag = 0x9286,
};
enum Type : uint16_t { short_type = 3, long_type = 4, undefined_type = 7 };

constexpr size_t entry_bytes = 12;
constexpr size_t code_bytes = 8;  // of the character code before a UserComment
constexpr std::string_view unicode_code{"UNICODE\0", code_bytes};
constexpr std::string_view ascii_code{"ASCII\0\0\0", code_bytes};
constexpr std::string_view unknown_code{"\0\0\0\0\0\0\0\0", code_bytes};
constexpr std::string_view maker_note_mark{"llmdit\0", 7};

// ---- UTF-16

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t lead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(lead[extra] | code >> (6 * extra));
  for (int i = extra - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

/// Halves of pairs that stand alone become U+FFFD.
std::string utf16_to_utf8(std::string_view bytes, bool big_endian) {
  const auto unit = [&](size_t at) -> uint32_t {
    const auto high = static_cast<uint8_t>(bytes[at + (big_endian ? 0 : 1)]);
    return uint32_t{high} << 8 | static_cast<uint8_t>(bytes[at + (big_endian ? 1 : 0)]);
  };
  std::string text;
  for (size_t at = 0; at + 1 < bytes.size(); at += 2) {
    uint32_t code = unit(at);
    if (code >= 0xd800 && code < 0xe000) {
      const uint32_t low = code < 0xdc00 && at + 3 < bytes.size() ? unit(at + 2) : 0;
      const bool is_pair = low >= 0xdc00 && low < 0xe000;
      code = is_pair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
      if (is_pair) at += 2;
    }
    append_utf8(text, code);
  }
  return text;
}

/// `text` is UTF-8.
std::string utf8_to_utf16be(std::string_view text) {
  std::string bytes;
  const auto append = [&](uint32_t unit) {
    bytes += static_cast<char>(unit >> 8);
    bytes += static_cast<char>(unit);
  };
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at++]);
    const int extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    uint32_t code = extra == 0 ? lead : lead & (0x3fu >> extra);
    for (int i = 0; i < extra; ++i) code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3fu);
    if (code < 0x10000) {
      append(code);
    } else {
      append(0xd800 + ((code - 0x10000) >> 10));
      append(0xdc00 + ((code - 0x10000) & 0x3ff));
    }
  }
  return bytes;
}

/// The byte order of UTF-16 text without a mark. Writers use the order of the EXIF data or always big-endian; the
/// digits and blanks of a text tell.
bool looks_big_endian(std::string_view bytes, bool otherwise) {
  size_t even = 0, odd = 0;
  for (size_t at = 0; at + 1 < bytes.size(); at += 2) {
    even += bytes[at] == 0;
    odd += bytes[at + 1] == 0;
  }
  return even == odd ? otherwise : even > odd;
}

std::string decode_utf16(std::string_view bytes, bool file_is_big_endian) {
  if (bytes.starts_with("\xfe\xff")) return utf16_to_utf8(bytes.substr(2), true);
  if (bytes.starts_with("\xff\xfe")) return utf16_to_utf8(bytes.substr(2), false);
  return utf16_to_utf8(bytes, looks_big_endian(bytes, file_is_big_endian));
}

/// Nothing for a character set that is not read.
std::optional<std::string> decode_user_comment(std::string_view value, bool file_is_big_endian) {
  const std::string_view code = value.substr(0, code_bytes);
  std::string text;
  if (code == unicode_code) {
    text = decode_utf16(value.substr(code_bytes), file_is_big_endian);
  } else {
    if (code == ascii_code || code == unknown_code) {
      value.remove_prefix(code_bytes);
    } else if (code.starts_with("JIS")) {
      return std::nullopt;
    }
    text = is_utf8(value) ? std::string(value) : latin1_to_utf8(value);
  }
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

// ---- The TIFF structure

/// Reads numbers and values; what lies outside of the data reads as 0 or empty.
class TiffReader {
 public:
  explicit TiffReader(std::string_view data) : data_(data), big_endian_(data.starts_with("MM")) {}

  bool big_endian() const { return big_endian_; }
  uint32_t first_ifd() const { return number(2, 2) == 42 ? number(4, 4) : 0; }

  /// The value's bytes.
  std::optional<std::string_view> find(uint32_t ifd, Tag tag) const {
    const auto entry = find_entry(ifd, tag);
    if (!entry) return std::nullopt;
    const uint64_t bytes = uint64_t{number(*entry + 4, 4)} * type_bytes(number(*entry + 2, 2));
    const size_t at = bytes <= 4 ? *entry + 8 : number(*entry + 8, 4);
    if (at > data_.size() || bytes > data_.size() - at) return std::nullopt;
    return data_.substr(at, bytes);
  }

  /// The first number of the value.
  uint32_t find_number(uint32_t ifd, Tag tag) const {
    const auto entry = find_entry(ifd, tag);
    if (!entry || number(*entry + 4, 4) == 0) return 0;
    const uint32_t type = number(*entry + 2, 2);
    return type == short_type ? number(*entry + 8, 2) : type == long_type ? number(*entry + 8, 4) : 0;
  }

 private:
  static size_t type_bytes(uint32_t type) {
    constexpr size_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
    return type < std::size(bytes) ? bytes[type] : 0;
  }

  uint32_t number(size_t at, size_t bytes) const {
    if (at > data_.size() || bytes > data_.size() - at) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value = value << 8 | static_cast<uint8_t>(data_[at + (big_endian_ ? i : bytes - 1 - i)]);
    }
    return value;
  }

  std::optional<size_t> find_entry(uint32_t ifd, Tag tag) const {
    if (ifd == 0) return std::nullopt;
    const size_t count = number(ifd, 2);
    for (size_t i = 0; i < count; ++i) {
      const size_t at = size_t{ifd} + 2 + i * entry_bytes;
      if (at + entry_bytes > data_.size()) return std::nullopt;
      if (number(at, 2) == tag) return at;
    }
    return std::nullopt;
  }

  std::string_view data_;
  bool big_endian_;
};

struct TiffValue {
  Tag tag;
  std::string bytes;
};

void append_number(std::string& out, size_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

/// The EXIF IFD with its values behind it; values are sorted by tag.
std::string exif_ifd(const std::vector<TiffValue>& values, size_t position) {
  std::string entries, data;
  const size_t data_at = position + 2 + values.size() * entry_bytes + 4;
  append_number(entries, values.size(), 2);
  for (const TiffValue& value : values) {
    append_number(entries, value.tag, 2);
    append_number(entries, undefined_type, 2);
    append_number(entries, value.bytes.size(), 4);
    if (value.bytes.size() <= 4) {
      entries += value.bytes + std::string(4 - value.bytes.size(), '\0');
    } else {
      append_number(entries, data_at + data.size(), 4);
      data += value.bytes;
      if (data.size() % 2 != 0) data += '\0';  // values begin at even offsets
    }
  }
  append_number(entries, 0, 4);  // no further IFD
  return entries + data;
}

}  // namespace

Exif read_exif(std::string_view data) {
  if (data.starts_with(exif_prefix)) data.remove_prefix(exif_prefix.size());
  Exif exif;
  if (!data.starts_with("MM") && !data.starts_with("II")) return exif;
  const TiffReader tiff(data);
  const uint32_t orientation = tiff.find_number(tiff.first_ifd(), orientation_tag);
  if (orientation >= 1 && orientation <= 8) exif.orientation = static_cast<int>(orientation);

  const uint32_t exif_ifd = tiff.find_number(tiff.first_ifd(), exif_ifd_tag);
  if (const auto value = tiff.find(exif_ifd, user_comment_tag)) {
    auto text = decode_user_comment(*value, tiff.big_endian());
    if (text && !text->empty()) exif.text.emplace_back("parameters", std::move(*text));
  }
  if (auto value = tiff.find(exif_ifd, maker_note_tag); value && value->starts_with(maker_note_mark)) {
    value->remove_prefix(maker_note_mark.size());
    if (is_utf8(*value)) exif.text.emplace_back("llmdit", *value);
  }
  return exif;
}

std::string write_exif(const ImageText& text) {
  if (text.empty()) return {};
  std::vector<TiffValue> values = {{exif_version_tag, "0232"}};
  for (const auto& [keyword, value] : text) {
    check(keyword == "parameters" || keyword == "llmdit", "encode_image",
          "expected the texts \"parameters\" and \"llmdit\", which JPEG and WebP files have a place for, got \"{}\"; "
          "write a PNG file",
          printable(keyword));
    const Tag tag = keyword == "llmdit" ? maker_note_tag : user_comment_tag;
    check(std::ranges::find(values, tag, &TiffValue::tag) == values.end(), "encode_image",
          "expected one text \"{}\", got several; write a PNG file", keyword);
    check(is_utf8(value) && value.find('\0') == value.npos, "encode_image",
          "expected the text of \"{}\" to be UTF-8 without NUL characters", keyword);
    values.push_back({tag, keyword == "llmdit" ? std::string(maker_note_mark) + value
                                               : std::string(unicode_code) + utf8_to_utf16be(value)});
  }
  std::ranges::sort(values, {}, &TiffValue::tag);

  std::string data{"MM\0\x2a\0\0\0\x08", 8};
  append_number(data, 1, 2);  // one entry: where the EXIF IFD lies
  append_number(data, exif_ifd_tag, 2);
  append_number(data, long_type, 2);
  append_number(data, 1, 4);
  const size_t position = data.size() + 4 + 4;
  append_number(data, position, 4);
  append_number(data, 0, 4);
  return data + exif_ifd(values, position);
}

}  // namespace llmdit::io
