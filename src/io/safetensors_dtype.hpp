#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace llmdit::io {

/// An element type of the safetensors format.
struct SafetensorsDtype {
  std::string_view name;
  uint64_t bits = 0;
  std::optional<at::ScalarType> type;  ///< nothing where libtorch has none
};

/// Null for a name the format does not know.
const SafetensorsDtype* find_safetensors_dtype(std::string_view name) noexcept;

/// Bytes of a tensor; nothing when they overflow or sub-byte elements leave a byte half used.
std::optional<uint64_t> count_bytes(const SafetensorsDtype& dtype, std::span<const int64_t> shape) noexcept;

}  // namespace llmdit::io
