#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::io {

/// What the head of a .npy file tells.
struct NpyHeader {
  std::string type;            ///< kind and bytes of an element, such as f4; a text has its length, U12
  std::vector<int64_t> shape;  ///< empty for a single value
  size_t count = 0;            ///< elements
  size_t data_offset = 0;      ///< where the elements begin
};

/// Nothing, and the reason in `problem`, for what is no header of a little-endian array in C order.
std::optional<NpyHeader> parse_npy_header(std::string_view file, std::string& problem);

/// The head of a file with elements of this type, without a byte order.
std::string npy_header(std::string_view type, std::span<const int64_t> shape);

}  // namespace llmdit::io
