#include <algorithm>
#include <cmath>

#include "kernels/block_format.hpp"
#include "kernels/half.hpp"

namespace llmdit::kernels {
namespace {

constexpr int block_weights = 32;

void quantize_q8_0(const float* weights, uint8_t* block) {
  float largest = 0;
  for (int i = 0; i < block_weights; ++i) largest = std::max(largest, std::fabs(weights[i]));
  const float d = largest / 127, inverse = d == 0 ? 0 : 1 / d;
  store_half(block, d);
  // std::round takes halves away from zero, as the format's reference does
  for (int i = 0; i < block_weights; ++i)
    block[2 + i] = static_cast<uint8_t>(static_cast<int>(std::round(weights[i] * inverse)));
}

void quantize_q4_0(const float* weights, uint8_t* block) {
  // The weight farthest from zero, with its sign, becomes -8.
  float farthest = weights[0];
  for (int i = 1; i < block_weights; ++i) {
    if (std::fabs(weights[i]) > std::fabs(farthest)) farthest = weights[i];
  }
  const float d = farthest / -8, inverse = d == 0 ? 0 : 1 / d;
  store_half(block, d);
  const auto nibble = [&](float weight) {
    return static_cast<uint8_t>(std::min(15, static_cast<int>(std::trunc(weight * inverse + 8.5f))));
  };
  for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<uint8_t>(nibble(weights[i]) | nibble(weights[16 + i]) << 4);
}

}  // namespace

bool can_quantize(BlockType type) noexcept { return type == BlockType::q8_0 || type == BlockType::q4_0; }

void quantize(BlockType type, const float* weights, std::byte* out, int64_t count) noexcept {
  const auto quantize_block = type == BlockType::q8_0 ? quantize_q8_0 : quantize_q4_0;
  const int64_t bytes = block_format(type).bytes;
  for (int64_t i = 0; i < count / block_weights; ++i)
    quantize_block(weights + i * block_weights, reinterpret_cast<uint8_t*>(out + i * bytes));
}

}  // namespace llmdit::kernels
