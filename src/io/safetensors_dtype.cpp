#include "io/safetensors_dtype.hpp"

#include <algorithm>
#include <limits>

namespace llmdit::io {
namespace {

constexpr SafetensorsDtype dtypes[] = {
    {"F64", 64, at::kDouble},
    {"F32", 32, at::kFloat},
    {"F16", 16, at::kHalf},
    {"BF16", 16, at::kBFloat16},
    {"F8_E4M3", 8, at::kFloat8_e4m3fn},
    {"F8_E5M2", 8, at::kFloat8_e5m2},
    {"F8_E8M0", 8, at::kFloat8_e8m0fnu},
    {"F8_E4M3FNUZ", 8, at::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", 8, at::kFloat8_e5m2fnuz},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, at::kFloat4_e2m1fn_x2},
    {"I64", 64, at::kLong},
    {"I32", 32, at::kInt},
    {"I16", 16, at::kShort},
    {"I8", 8, at::kChar},
    {"U64", 64, at::kUInt64},
    {"U32", 32, at::kUInt32},
    {"U16", 16, at::kUInt16},
    {"U8", 8, at::kByte},
    {"BOOL", 8, at::kBool},
    {"C64", 64, at::kComplexFloat},
};

}  // namespace

const SafetensorsDtype* find_safetensors_dtype(std::string_view name) noexcept {
  for (const auto& dtype : dtypes) {
    if (dtype.name == name) return &dtype;
  }
  return nullptr;
}

std::optional<uint64_t> count_bytes(const SafetensorsDtype& dtype, std::span<const int64_t> shape) noexcept {
  uint64_t bits = dtype.bits;
  bool is_empty = false;
  for (const int64_t size : shape) {
    is_empty |= size == 0;
    // A zero counts as one here: the strides of an empty tensor are products too, and must not overflow either.
    const auto factor = static_cast<uint64_t>(std::max<int64_t>(size, 1));
    if (bits > std::numeric_limits<int64_t>::max() / factor) return std::nullopt;
    bits *= factor;
  }
  if (is_empty) return 0;
  return bits % 8 == 0 ? std::optional(bits / 8) : std::nullopt;
}

}  // namespace llmdit::io
