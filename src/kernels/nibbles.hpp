#pragma once

#include <cstdint>

#include "kernels/block_format.hpp"

namespace llmdit::kernels {

/// Whether `unpack_nibbles` takes the type: each 32 weights are factor * nibble + minimum.
bool has_nibbles(BlockType type) noexcept;

/// Where the weights of a row go: their nibbles, a factor and a minimum for each 32.
struct Nibbles {
  uint8_t* numbers;
  float *factors, *minima;
};

/// Unpacks `count` weights, a multiple of the block's.
void unpack_nibbles(BlockType type, const std::byte* blocks, int64_t count, const Nibbles& out) noexcept;

/// Where a rounded row goes: numbers, and for each 32 the factor that brings them back and their sum times it.
struct RoundedGroups {
  int8_t* numbers;
  float *scales, *totals;
};

/// Rounds `count` floats, a multiple of 32, to 8 bits. Groups with a number that is not finite become NaN.
void round_groups(const float* numbers, int64_t count, const RoundedGroups& out) noexcept;

}  // namespace llmdit::kernels
