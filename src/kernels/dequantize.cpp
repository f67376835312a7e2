#include "kernels/block_format.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/half.hpp"
#include "kernels/packed_bits.hpp"

namespace llmdit::kernels {
namespace {

// One function a block type, in the order of the bytes of its block. Each writes all weights of one block.

LLMDIT_INLINE void q4_0(const uint8_t* __restrict block, float* __restrict out) {
  // d; 16 bytes: low nibbles, then high nibbles
  const float d = load_half(block);
  uint8_t nibbles[32];
  split_nibbles<16>(block + 2, nibbles);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibbles[i] - 8);
}

LLMDIT_INLINE void q4_1(const uint8_t* __restrict block, float* __restrict out) {
  // d, m; 16 bytes of nibbles
  const float d = load_half(block), m = load_half(block + 2);
  uint8_t nibbles[32];
  split_nibbles<16>(block + 4, nibbles);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibbles[i]) + m;
}

LLMDIT_INLINE uint32_t load_u32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

LLMDIT_INLINE void q5_0(const uint8_t* __restrict block, float* __restrict out) {
  // d; a fifth bit of each weight; 16 bytes of nibbles
  const float d = load_half(block);
  const uint32_t high = load_u32(block + 2);
  const uint8_t* q = block + 6;
  for (int i = 0; i < 16; ++i)
    out[i] = d * static_cast<float>(static_cast<int>((q[i] & 15u) | (high >> i & 1u) << 4) - 16);
  for (int i = 0; i < 16; ++i)
    out[16 + i] = d * static_cast<float>(static_cast<int>((q[i] >> 4) | (high >> (16 + i) & 1u) << 4) - 16);
}

LLMDIT_INLINE void q5_1(const uint8_t* __restrict block, float* __restrict out) {
  // d, m; a fifth bit of each weight; 16 bytes of nibbles
  const float d = load_half(block), m = load_half(block + 2);
  const uint32_t high = load_u32(block + 4);
  const uint8_t* q = block + 8;
  for (int i = 0; i < 16; ++i)
    out[i] = d * static_cast<float>(static_cast<int>((q[i] & 15u) | (high >> i & 1u) << 4)) + m;
  for (int i = 0; i < 16; ++i)
    out[16 + i] = d * static_cast<float>(static_cast<int>((q[i] >> 4) | (high >> (16 + i) & 1u) << 4)) + m;
}

LLMDIT_INLINE void q8_0(const uint8_t* __restrict block, float* __restrict out) {
  // d; 32 signed bytes
  const float d = load_half(block);
  const auto* q = reinterpret_cast<const int8_t*>(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(q[i]) * d;
}

LLMDIT_INLINE void q2_k(const uint8_t* __restrict block, float* __restrict out) {
  // 16 bytes of a scale and a minimum each for 16 weights; 64 bytes of 2 bits; d, dmin
  const uint8_t *scales = block, *q = block + 16;
  const float d = load_half(block + 80), dmin = load_half(block + 82);
  for (int part = 0; part < 16; ++part) {
    const float scale = d * static_cast<float>(scales[part] & 15),
                minimum = dmin * static_cast<float>(scales[part] >> 4);
    const uint8_t* from = q + part / 8 * 32 + part % 2 * 16;
    const int shift = part / 2 % 4 * 2;
    for (int i = 0; i < 16; ++i) out[16 * part + i] = scale * static_cast<float>(from[i] >> shift & 3) - minimum;
  }
}

LLMDIT_INLINE void q3_k(const uint8_t* __restrict block, float* __restrict out) {
  // 32 bytes of a third bit, inverted; 64 bytes of 2 bits; 12 bytes of 6-bit scales for 16 weights each; d
  const uint8_t *high = block, *q = block + 32, *scales = block + 96;
  const float d = load_half(block + 108);
  for (int part = 0; part < 16; ++part) {
    const int low = scales[part % 8] >> part / 8 * 4 & 15, upper = scales[8 + part % 4] >> part / 4 * 2 & 3;
    const float scale = d * static_cast<float>((low | upper << 4) - 32);
    const uint8_t *from = q + part / 8 * 32 + part % 2 * 16, *bits = high + part % 2 * 16;
    const int shift = part / 2 % 4 * 2, bit = part / 2;
    for (int i = 0; i < 16; ++i) {
      const int value = (from[i] >> shift & 3) - ((bits[i] >> bit & 1) ^ 1) * 4;
      out[16 * part + i] = scale * static_cast<float>(value);
    }
  }
}

LLMDIT_INLINE void q4_k(const uint8_t* __restrict block, float* __restrict out) {
  // d, dmin; 12 bytes of scales and minima for 32 weights each; 128 bytes of nibbles
  const float d = load_half(block), dmin = load_half(block + 2);
  const uint8_t *packed = block + 4, *q = block + 16;
  for (int part = 0; part < 8; ++part) {
    const ScaleMin s = scale_min(packed, part);
    const float scale = d * static_cast<float>(s.scale), minimum = dmin * static_cast<float>(s.minimum);
    const uint8_t* from = q + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32; ++i) out[32 * part + i] = scale * static_cast<float>(from[i] >> shift & 15) - minimum;
  }
}

LLMDIT_INLINE void q5_k(const uint8_t* __restrict block, float* __restrict out) {
  // as q4_k, with 32 bytes of a fifth bit before the nibbles
  const float d = load_half(block), dmin = load_half(block + 2);
  const uint8_t *packed = block + 4, *high = block + 16, *q = block + 48;
  for (int part = 0; part < 8; ++part) {
    const ScaleMin s = scale_min(packed, part);
    const float scale = d * static_cast<float>(s.scale), minimum = dmin * static_cast<float>(s.minimum);
    const uint8_t* from = q + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int value = (from[i] >> shift & 15) | (high[i] >> part & 1) << 4;
      out[32 * part + i] = scale * static_cast<float>(value) - minimum;
    }
  }
}

LLMDIT_INLINE void q6_k(const uint8_t* __restrict block, float* __restrict out) {
  // 128 bytes of nibbles; 64 bytes of 2 bits; 16 signed scales for 16 weights each; d
  const uint8_t *low = block, *high = block + 128;
  const auto* scales = reinterpret_cast<const int8_t*>(block + 192);
  const float d = load_half(block + 208);
  for (int part = 0; part < 16; ++part) {
    const float scale = d * static_cast<float>(scales[part]);
    // parts of 32: two of low nibbles, two of high ones, for each half of the block
    const int row = part / 2;
    const uint8_t* from = low + row / 4 * 64 + row % 2 * 32 + part % 2 * 16;
    const uint8_t* bits = high + row / 4 * 32 + part % 2 * 16;
    const int shift = row / 2 % 2 * 4, bit = row % 4 * 2;
    for (int i = 0; i < 16; ++i) {
      const int value = ((from[i] >> shift & 15) | (bits[i] >> bit & 3) << 4) - 32;
      out[16 * part + i] = scale * static_cast<float>(value);
    }
  }
}

LLMDIT_INLINE void grid_nibbles(const uint8_t* __restrict q, float scale, float* __restrict out) {
  for (int i = 0; i < 16; ++i) out[i] = scale * nibble_grid[q[i] & 15];
  for (int i = 0; i < 16; ++i) out[16 + i] = scale * nibble_grid[q[i] >> 4];
}

LLMDIT_INLINE void iq4_nl(const uint8_t* __restrict block, float* __restrict out) {
  grid_nibbles(block + 2, load_half(block), out);
}

LLMDIT_INLINE void iq4_xs(const uint8_t* __restrict block, float* __restrict out) {
  // d; 16 bits and 4 bytes of 6-bit scales for 32 weights each; 128 bytes of nibbles
  const float d = load_half(block);
  const unsigned high = load_u16(block + 2);
  const uint8_t *low = block + 4, *q = block + 8;
  for (int part = 0; part < 8; ++part) {
    const int scale = (low[part / 2] >> part % 2 * 4 & 15) | static_cast<int>(high >> 2 * part & 3u) << 4;
    grid_nibbles(q + 16 * part, d * static_cast<float>(scale - 32), out + 32 * part);
  }
}

template <void (*Block)(const uint8_t*, float*), BlockType type>
LLMDIT_INLINE void each_block(const uint8_t* blocks, float* out, int64_t count) {
  constexpr int64_t weights = block_format(type).weights, bytes = block_format(type).bytes;
  for (int64_t i = 0; i < count / weights; ++i) Block(blocks + i * bytes, out + i * weights);
}

LLMDIT_DISPATCH
void dequantize_blocks(BlockType type, const uint8_t* blocks, float* out, int64_t count) {
  switch (type) {
    case BlockType::q4_0:
      return each_block<q4_0, BlockType::q4_0>(blocks, out, count);
    case BlockType::q4_1:
      return each_block<q4_1, BlockType::q4_1>(blocks, out, count);
    case BlockType::q5_0:
      return each_block<q5_0, BlockType::q5_0>(blocks, out, count);
    case BlockType::q5_1:
      return each_block<q5_1, BlockType::q5_1>(blocks, out, count);
    case BlockType::q8_0:
      return each_block<q8_0, BlockType::q8_0>(blocks, out, count);
    case BlockType::q2_k:
      return each_block<q2_k, BlockType::q2_k>(blocks, out, count);
    case BlockType::q3_k:
      return each_block<q3_k, BlockType::q3_k>(blocks, out, count);
    case BlockType::q4_k:
      return each_block<q4_k, BlockType::q4_k>(blocks, out, count);
    case BlockType::q5_k:
      return each_block<q5_k, BlockType::q5_k>(blocks, out, count);
    case BlockType::q6_k:
      return each_block<q6_k, BlockType::q6_k>(blocks, out, count);
    case BlockType::iq4_nl:
      return each_block<iq4_nl, BlockType::iq4_nl>(blocks, out, count);
    case BlockType::iq4_xs:
      return each_block<iq4_xs, BlockType::iq4_xs>(blocks, out, count);
  }
}

LLMDIT_DISPATCH void unpack_bytes(const uint8_t* blocks, int16_t* numbers, float* factors, int64_t count) {
  for (int64_t i = 0; i < count / 32; ++i) {
    const uint8_t* block = blocks + block_format(BlockType::q8_0).bytes * i;
    factors[i] = load_half(block);
    for (int k = 0; k < 32; ++k) numbers[32 * i + k] = static_cast<int8_t>(block[2 + k]);
  }
}

}  // namespace

void unpack_q8_0(const std::byte* blocks, int16_t* numbers, float* factors, int64_t count) noexcept {
  unpack_bytes(reinterpret_cast<const uint8_t*>(blocks), numbers, factors, count);
}

void dequantize(BlockType type, const std::byte* blocks, float* out, int64_t count) noexcept {
  dequantize_blocks(type, reinterpret_cast<const uint8_t*>(blocks), out, count);
}

}  // namespace llmdit::kernels
