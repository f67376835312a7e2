#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace llmdit::kernels {

// IEEE half precision by bits: not every compiler and processor this is built for has the type.

inline float half_to_float(uint16_t half) noexcept {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  // Rebiasing by a product is exact, and right for subnormal numbers too; infinity and NaN keep their largest exponent.
  const float rebiased = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000u);
  const uint32_t special = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  const uint32_t bits = magnitude >= 0x7c00u ? special : std::bit_cast<uint32_t>(rebiased);
  return std::bit_cast<float>(bits | sign);
}

/// Rounds to nearest, halves to even.
inline uint16_t float_to_half(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;   // NaN
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // rounds past the largest number
  if (magnitude < 0x38800000u) {
    // Below the smallest normal number: adding half of one aligns the bits, and the addition rounds them.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(aligned) - 0x3f000000u);
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

inline uint16_t load_u16(const uint8_t* bytes) noexcept {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

inline float load_half(const uint8_t* bytes) noexcept { return half_to_float(load_u16(bytes)); }

inline void store_half(uint8_t* bytes, float value) noexcept {
  const uint16_t half = float_to_half(value);
  std::memcpy(bytes, &half, sizeof half);
}

}  // namespace llmdit::kernels
