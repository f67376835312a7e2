#include "kernels/widen.hpp"

#include <bit>
#include <cstring>

#include "kernels/dispatch.hpp"
#include "kernels/half.hpp"

namespace llmdit::kernels {
namespace {

LLMDIT_INLINE float bfloat16_to_float(uint16_t number) { return std::bit_cast<float>(uint32_t{number} << 16); }

/// 4 bits of exponent, 3 of mantissa, no infinity; the largest magnitude is NaN.
LLMDIT_INLINE float e4m3_to_float(uint8_t number) {
  const uint32_t sign = static_cast<uint32_t>(number & 0x80u) << 24, magnitude = number & 0x7fu;
  const float rebiased = std::bit_cast<float>(magnitude << 20) * std::bit_cast<float>(0x7b800000u);  // 2^120
  const uint32_t bits = magnitude == 0x7fu ? 0x7fc00000u : std::bit_cast<uint32_t>(rebiased);
  return std::bit_cast<float>(bits | sign);
}

/// The upper byte of a half.
LLMDIT_INLINE float e5m2_to_float(uint8_t number) { return half_to_float(static_cast<uint16_t>(number << 8)); }

LLMDIT_DISPATCH void widen_bfloat16(const uint16_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = bfloat16_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_float16(const uint16_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = half_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_e4m3(const uint8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = e4m3_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_e5m2(const uint8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = e5m2_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_int8(const int8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(from[i]);
}

}  // namespace

void widen(NumberType type, const void* numbers, float* out, int64_t count) noexcept {
  switch (type) {
    case NumberType::float32:
      std::memcpy(out, numbers, static_cast<size_t>(count) * sizeof(float));
      return;
    case NumberType::bfloat16:
      return widen_bfloat16(static_cast<const uint16_t*>(numbers), out, count);
    case NumberType::float16:
      return widen_float16(static_cast<const uint16_t*>(numbers), out, count);
    case NumberType::float8_e4m3:
      return widen_e4m3(static_cast<const uint8_t*>(numbers), out, count);
    case NumberType::float8_e5m2:
      return widen_e5m2(static_cast<const uint8_t*>(numbers), out, count);
    case NumberType::int8:
      return widen_int8(static_cast<const int8_t*>(numbers), out, count);
  }
}

}  // namespace llmdit::kernels
