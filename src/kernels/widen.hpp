#pragma once

#include <cstdint>

namespace llmdit::kernels {

/// Types of numbers that files keep weights in.
enum class NumberType { float32, bfloat16, float16, float8_e4m3, float8_e5m2, int8 };

/// `count` numbers as float32. All of these types fit into it exactly.
void widen(NumberType type, const void* numbers, float* out, int64_t count) noexcept;

/// Multiplies `count` numbers by a factor.
void scale(float factor, float* numbers, int64_t count) noexcept;

/// Numbers of 8 bits as integers of 16.
void widen_to_int16(const int8_t* numbers, int16_t* out, int64_t count) noexcept;

/// Rounds `count` floats to 16 bits and returns the factor that brings them back; NaN where one is not finite.
float round_to_int16(const float* numbers, int16_t* out, int64_t count) noexcept;
float round_to_int8(const float* numbers, int8_t* out, int64_t count) noexcept;

}  // namespace llmdit::kernels
