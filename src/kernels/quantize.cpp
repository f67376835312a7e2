#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/block_format.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/half.hpp"

namespace llmdit::kernels {
namespace {

constexpr int block_weights = 32;

LLMDIT_INLINE uint32_t magnitude_bits(float weight) { return std::bit_cast<uint32_t>(weight) & 0x7fffffffu; }

/// The largest magnitude of a block. Compared by bits, which puts NaN above all: it shows in the block's scale.
LLMDIT_INLINE float largest_magnitude(const float* weights) {
  uint32_t largest = 0;
  for (int i = 0; i < block_weights; ++i) largest = std::max(largest, magnitude_bits(weights[i]));
  return std::bit_cast<float>(largest);
}

/// What scales of infinity, NaN or below the normal numbers leave of a quotient becomes 0, as in the reference.
LLMDIT_INLINE float in_range(float value) { return value >= 0 && value < 256 ? value : 0; }

LLMDIT_INLINE void quantize_q8_0(const float* weights, uint8_t* block) {
  const float d = largest_magnitude(weights) / 127, inverse = d == 0 ? 0 : 1 / d;
  store_half(block, d);
  for (int i = 0; i < block_weights; ++i) {
    const float scaled = weights[i] * inverse, magnitude = in_range(std::fabs(scaled));
    const int whole = static_cast<int>(magnitude);
    const int rounded = whole + (magnitude - static_cast<float>(whole) >= 0.5f ? 1 : 0);  // halves away from zero
    block[2 + i] = static_cast<uint8_t>(scaled < 0 ? -rounded : rounded);
  }
}

LLMDIT_INLINE void quantize_q4_0(const float* weights, uint8_t* block) {
  // The weight farthest from zero, with its sign, becomes -8.
  const float largest = largest_magnitude(weights);
  const float* farthest = weights;
  while (magnitude_bits(*farthest) != magnitude_bits(largest)) ++farthest;
  const float d = *farthest / -8, inverse = d == 0 ? 0 : 1 / d;
  store_half(block, d);
  const auto nibble = [&](float weight) { return std::min(15, static_cast<int>(in_range(weight * inverse + 8.5f))); };
  for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<uint8_t>(nibble(weights[i]) | nibble(weights[16 + i]) << 4);
}

LLMDIT_DISPATCH
void quantize_blocks(BlockType type, const float* weights, uint8_t* out, int64_t blocks) {
  if (type == BlockType::q8_0) {
    for (int64_t i = 0; i < blocks; ++i)
      quantize_q8_0(weights + i * block_weights, out + i * block_format(BlockType::q8_0).bytes);
  } else {
    for (int64_t i = 0; i < blocks; ++i)
      quantize_q4_0(weights + i * block_weights, out + i * block_format(BlockType::q4_0).bytes);
  }
}

}  // namespace

bool can_quantize(BlockType type) noexcept { return type == BlockType::q8_0 || type == BlockType::q4_0; }

void quantize(BlockType type, const float* weights, std::byte* out, int64_t count) noexcept {
  quantize_blocks(type, weights, reinterpret_cast<uint8_t*>(out), count / block_weights);
}

}  // namespace llmdit::kernels
