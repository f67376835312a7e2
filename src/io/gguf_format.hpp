#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmdit::io {

// What both the reader and the writer of GGUF files need to know of the format.
constexpr std::string_view gguf_magic = "GGUF";
constexpr uint32_t gguf_version = 3;
constexpr uint32_t gguf_default_alignment = 32;
constexpr uint32_t gguf_max_dims = 4;

enum class GgufValue : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// A tensor type of GGUF files: numbers of a libtorch type, blocks (see kernels::BlockFormat), or one that is only
/// known by name.
struct GgufType {
  uint32_t number;
  std::string_view name;
  int64_t weights;  ///< of a block; 1 for numbers
  int64_t bytes;    ///< of a block
  std::optional<at::ScalarType> dtype;
};

/// Null for a number that no known type has.
const GgufType* find_gguf_type(uint32_t number) noexcept;
/// Null for a type that GGUF files do not have.
const GgufType* find_gguf_type(at::ScalarType dtype) noexcept;

}  // namespace llmdit::io
