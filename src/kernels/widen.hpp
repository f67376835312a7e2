#pragma once

#include <cstdint>

namespace llmdit::kernels {

/// Types of numbers that files keep weights in.
enum class NumberType { float32, bfloat16, float16, float8_e4m3, float8_e5m2, int8 };

/// `count` numbers as float32. All of these types fit into it exactly.
void widen(NumberType type, const void* numbers, float* out, int64_t count) noexcept;

}  // namespace llmdit::kernels
