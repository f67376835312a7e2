#include "io/npy_header.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace llmdit::io {
namespace {

constexpr std::string_view magic{"\x93NUMPY", 6};
constexpr size_t header_alignment = 64;
constexpr size_t longest_header = 1 << 16;
constexpr size_t most_dimensions = 32;
constexpr size_t shortest_element = 1;  // bytes

/// Reads the Python literal of a header, {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }: its keys in any
/// order, and nothing else.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  std::optional<NpyHeader> parse() {
    if (!take("{")) return std::nullopt;
    while (!take("}")) {
      const auto key = quoted();
      if (!key || !take(":") || !value_of(*key)) return std::nullopt;
      if (!take(",") && !peek("}")) return std::nullopt;
    }
    skip_blanks();
    if (!rest_.empty() || !type_ || !fortran_order_ || !shape_) return std::nullopt;
    return NpyHeader{.type = *type_, .shape = *shape_};
  }

  bool fortran_order() const { return *fortran_order_; }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

  bool peek(std::string_view token) {
    skip_blanks();
    return rest_.starts_with(token);
  }

  bool take(std::string_view token) {
    if (!peek(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::optional<std::string> quoted() {
    skip_blanks();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_[0], 1);
    if (end == rest_.npos) return std::nullopt;
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool value_of(std::string_view key) {
    if (key == "descr" && !type_) return (type_ = quoted()).has_value();
    if (key == "shape" && !shape_) return (shape_ = tuple()).has_value();
    if (key == "fortran_order" && !fortran_order_) {
      const bool yes = take("True");
      if (!yes && !take("False")) return false;
      fortran_order_ = yes;
      return true;
    }
    return false;
  }

  std::optional<std::vector<int64_t>> tuple() {
    std::vector<int64_t> sizes;
    if (!take("(")) return std::nullopt;
    while (!take(")")) {
      skip_blanks();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0 || sizes.size() == most_dimensions) return std::nullopt;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      sizes.push_back(size);
      if (!take(",") && !peek(")")) return std::nullopt;
    }
    return sizes;
  }

  std::string_view rest_;
  std::optional<std::string> type_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<int64_t>> shape_;
};

/// Version 1 tells its length in 2 bytes, versions 2 and 3 in 4.
std::optional<std::string_view> header_text(std::string_view file, size_t& data_offset) {
  if (file.size() < 12 || !file.starts_with(magic)) return std::nullopt;
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(file[at])); };
  const size_t version = byte(6);
  if (version < 1 || version > 3) return std::nullopt;
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  const size_t start = version == 1 ? 10 : 12;
  if (length > longest_header || length > file.size() - start) return std::nullopt;
  data_offset = start + length;
  return file.substr(start, length);
}

/// Drops the byte order from the type. False for big-endian.
bool take_byte_order(std::string& type) {
  if (type.empty() || type[0] == '>') return false;
  if (type[0] == '<' || type[0] == '|' || type[0] == '=') type.erase(0, 1);
  return true;
}

}  // namespace

std::optional<NpyHeader> parse_npy_header(std::string_view file, std::string& problem) {
  size_t data_offset = 0;
  const auto text = header_text(file, data_offset);
  problem = "expected the header of a .npy file";
  if (!text) return std::nullopt;
  HeaderParser parser(*text);
  auto header = parser.parse();
  if (!header) return std::nullopt;
  problem = "big-endian arrays are not read";
  if (!take_byte_order(header->type)) return std::nullopt;
  problem = "arrays in Fortran order are not read; save numpy.ascontiguousarray of it";
  if (parser.fortran_order() && header->shape.size() > 1) return std::nullopt;
  header->data_offset = data_offset;
  header->count = 1;
  problem = "an array larger than its file";
  for (int64_t size : header->shape) {
    const auto factor = static_cast<size_t>(size);
    if (factor != 0 && header->count > file.size() / shortest_element / factor) return std::nullopt;
    header->count *= factor;
  }
  return header;
}

std::string npy_header(std::string_view type, std::span<const int64_t> shape) {
  std::string sizes;
  for (int64_t size : shape) sizes += fmt::format("{}, ", size);
  if (shape.size() > 1) sizes.erase(sizes.size() - 2);
  if (shape.size() == 1) sizes.pop_back();
  std::string text = fmt::format("{{'descr': '<{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  constexpr size_t before = magic.size() + 4;  // version and length
  text.append(header_alignment - (before + text.size() + 1) % header_alignment, ' ');
  text += '\n';
  std::string head(magic);
  head += {'\x01', '\x00'};
  head += {static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return head + text;
}

}  // namespace llmdit::io
