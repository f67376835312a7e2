#include "kernels/nibbles.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/dispatch.hpp"
#include "kernels/gemm.hpp"
#include "kernels/half.hpp"
#include "kernels/packed_bits.hpp"

namespace llmdit::kernels {
namespace {

LLMDIT_INLINE void unpack_q4_0(const uint8_t* blocks, int64_t count, const Nibbles& out) {
  for (int64_t i = 0; i < count / 32; ++i) {
    const uint8_t* block = blocks + block_format(BlockType::q4_0).bytes * i;
    split_nibbles<16>(block + 2, out.numbers + 32 * i);
    out.factors[i] = load_half(block);
    out.minima[i] = -8 * out.factors[i];
  }
}

LLMDIT_INLINE void unpack_q4_1(const uint8_t* blocks, int64_t count, const Nibbles& out) {
  for (int64_t i = 0; i < count / 32; ++i) {
    const uint8_t* block = blocks + block_format(BlockType::q4_1).bytes * i;
    split_nibbles<16>(block + 4, out.numbers + 32 * i);
    out.factors[i] = load_half(block);
    out.minima[i] = load_half(block + 2);
  }
}

LLMDIT_INLINE void unpack_q4_k(const uint8_t* blocks, int64_t count, const Nibbles& out) {
  for (int64_t i = 0; i < count / 256; ++i) {
    const uint8_t* block = blocks + block_format(BlockType::q4_k).bytes * i;
    const float d = load_half(block), dmin = load_half(block + 2);
    for (int part = 0; part < 4; ++part) split_nibbles<32>(block + 16 + 32 * part, out.numbers + 256 * i + 64 * part);
    for (int part = 0; part < 8; ++part) {
      const ScaleMin s = scale_min(block + 4, part);
      out.factors[8 * i + part] = d * static_cast<float>(s.scale);
      out.minima[8 * i + part] = -dmin * static_cast<float>(s.minimum);
    }
  }
}

LLMDIT_DISPATCH void unpack(BlockType type, const uint8_t* blocks, int64_t count, const Nibbles& out) {
  if (type == BlockType::q4_0) return unpack_q4_0(blocks, count, out);
  if (type == BlockType::q4_1) return unpack_q4_1(blocks, count, out);
  unpack_q4_k(blocks, count, out);
}

LLMDIT_INLINE void round_group(const float* __restrict numbers, int8_t* __restrict out, float& scale, float& total) {
  // By their bits, which are ordered as the magnitudes are; above infinity's there is a NaN.
  int32_t bits = 0;
  for (int i = 0; i < nibble_group; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(numbers[i]) & 0x7fffffff;
    bits = magnitude > bits ? magnitude : bits;
  }
  const auto largest = std::bit_cast<float>(bits);
  const bool is_finite = largest <= std::numeric_limits<float>::max();
  if (!is_finite || largest < 1e-34f) {  // where the largest is tiny, its inverse is infinite
    for (int i = 0; i < nibble_group; ++i) out[i] = 0;
    scale = total = is_finite ? 0 : std::numeric_limits<float>::quiet_NaN();
    return;
  }
  const float factor = 127 / largest;
  int32_t rounded[nibble_group], sum = 0;
  for (int i = 0; i < nibble_group; ++i) {
    const float scaled = numbers[i] * factor;
    rounded[i] = static_cast<int32_t>(scaled + std::copysign(0.5f, scaled));
  }
  for (int i = 0; i < nibble_group; ++i) sum += rounded[i];
  for (int i = 0; i < nibble_group; ++i) out[i] = static_cast<int8_t>(rounded[i]);
  scale = largest / 127;
  total = scale * static_cast<float>(sum);
}

LLMDIT_DISPATCH void round_all_groups(const float* numbers, int64_t count, const RoundedGroups& out) {
  for (int64_t i = 0; i < count / nibble_group; ++i)
    round_group(numbers + i * nibble_group, out.numbers + i * nibble_group, out.scales[i], out.totals[i]);
}

}  // namespace

bool has_nibbles(BlockType type) noexcept {
  return type == BlockType::q4_0 || type == BlockType::q4_1 || type == BlockType::q4_k;
}

void unpack_nibbles(BlockType type, const std::byte* blocks, int64_t count, const Nibbles& out) noexcept {
  unpack(type, reinterpret_cast<const uint8_t*>(blocks), count, out);
}

void round_groups(const float* numbers, int64_t count, const RoundedGroups& out) noexcept {
  round_all_groups(numbers, count, out);
}

}  // namespace llmdit::kernels
