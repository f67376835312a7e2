#include "kernels/widen.hpp"

#include <bit>
#include <cstring>
#include <limits>

#include "kernels/dispatch.hpp"
#include "kernels/gemm.hpp"
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
LLMDIT_DISPATCH void widen_e4m3(const uint8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = e4m3_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_e5m2(const uint8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = e5m2_to_float(from[i]);
}
LLMDIT_DISPATCH void widen_int8(const int8_t* from, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(from[i]);
}

LLMDIT_DISPATCH void scale_all(float factor, float* numbers, int64_t count) {
  for (int64_t i = 0; i < count; ++i) numbers[i] *= factor;
}

/// The largest magnitude by its bits, which are ordered as the numbers are; above infinity's there is a NaN.
LLMDIT_DISPATCH uint32_t largest_bits(const float* from, int64_t count) {
  int32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(from[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return static_cast<uint32_t>(largest);
}

template <class Integer>
LLMDIT_INLINE void round_all(const float* from, float factor, Integer* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float scaled = from[i] * factor;
    out[i] = static_cast<Integer>(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5f : 0.5f)));
  }
}

LLMDIT_DISPATCH void round_scaled(const float* from, float factor, int16_t* out, int64_t count) {
  round_all(from, factor, out, count);
}

LLMDIT_DISPATCH void round_scaled(const float* from, float factor, int8_t* out, int64_t count) {
  round_all(from, factor, out, count);
}

LLMDIT_DISPATCH void widen_bytes(const int8_t* from, int16_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = from[i];
}

/// The numbers over their largest magnitude as integers up to `most`, and the factor that brings them back.
template <class Integer>
float round_to(const float* numbers, float most, Integer* out, int64_t count) {
  const auto largest = std::bit_cast<float>(largest_bits(numbers, count));
  // Where the largest is tiny, its inverse is infinite; such numbers count as zeros.
  const bool is_finite = largest <= std::numeric_limits<float>::max(), is_usable = is_finite && largest >= 1e-34f;
  if (is_usable) {
    round_scaled(numbers, most / largest, out, count);
  } else {
    std::memset(out, 0, static_cast<size_t>(count) * sizeof(Integer));
  }
  return is_finite ? largest / most : std::numeric_limits<float>::quiet_NaN();
}

}  // namespace

float round_to_int16(const float* numbers, int16_t* out, int64_t count) noexcept {
  return round_to(numbers, 32767, out, count);
}

float round_to_int8(const float* numbers, int8_t* out, int64_t count) noexcept {
  return round_to(numbers, 127, out, count);
}

void scale(float factor, float* numbers, int64_t count) noexcept { scale_all(factor, numbers, count); }

void widen_to_int16(const int8_t* numbers, int16_t* out, int64_t count) noexcept { widen_bytes(numbers, out, count); }

void widen(NumberType type, const void* numbers, float* out, int64_t count) noexcept {
  switch (type) {
    case NumberType::float32:
      std::memcpy(out, numbers, static_cast<size_t>(count) * sizeof(float));
      return;
    case NumberType::bfloat16:
      return widen_bfloat16(static_cast<const uint16_t*>(numbers), out, count);
    case NumberType::float16:
      return gemm_kernel().widen_float16(static_cast<const uint16_t*>(numbers), out, count);
    case NumberType::float8_e4m3:
      return widen_e4m3(static_cast<const uint8_t*>(numbers), out, count);
    case NumberType::float8_e5m2:
      return widen_e5m2(static_cast<const uint8_t*>(numbers), out, count);
    case NumberType::int8:
      return widen_int8(static_cast<const int8_t*>(numbers), out, count);
  }
}

}  // namespace llmdit::kernels
