// The products of Note [Products], compiled once for each kind of processor by a file that defines
// LLMDIT_GEMM_BYTES (of a vector), LLMDIT_GEMM_ROWS (of a tile) and LLMDIT_GEMM_VARIABLE. Nothing
// here may be shared between these files: the linker would keep one of the copies, and it could be that of the newest
// processor.

#include "kernels/gemm.hpp"
#include "kernels/half.hpp"
#include "kernels/packed_bits.hpp"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace llmdit::kernels {
namespace {

using Vector [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = float;
using Eight [[gnu::vector_size(32)]] = uint32_t;
typedef uint32_t Word __attribute__((may_alias));  // what is packed: a float or a pair of int16
using Ints [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = int32_t;
using UnsignedInts [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = uint32_t;
using HalfWidth [[gnu::vector_size(LLMDIT_GEMM_BYTES / 2)]] = uint16_t;
using Shorts [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = int16_t;
using UnsignedShorts [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = uint16_t;

constexpr int64_t lanes = LLMDIT_GEMM_BYTES / 4, panel_width = 2 * lanes, tile_rows = LLMDIT_GEMM_ROWS;

/// A vector from anywhere in memory.
template <class V>
inline V load(const void* from) {
  V vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class V>
inline void store(void* to, const V& vector) {
  __builtin_memcpy(to, &vector, sizeof vector);
}

/// 8 x 8 elements, rows to columns.
inline void transpose_8x8(const Word* from, int64_t from_stride, Word* to, int64_t to_stride) {
  Eight a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = load<Eight>(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      a[i + 2 * j] = __builtin_shufflevector(b[i + j], b[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
      a[i + 2 * j + 1] = __builtin_shufflevector(b[i + j], b[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    store<Eight>(to + i * to_stride, __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11));
    store<Eight>(to + (i + 4) * to_stride, __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15));
  }
}

void pack_panel(const void* rows, int64_t stride, int64_t count, int64_t depth, void* panel) {
  const auto* from = static_cast<const Word*>(rows);
  auto* to = static_cast<Word*>(panel);
  const int64_t whole = count / 8 * 8, deep = depth / 8 * 8;
  for (int64_t j = 0; j < whole; j += 8) {
    for (int64_t k = 0; k < deep; k += 8)
      transpose_8x8(from + j * stride + k, stride, to + k * panel_width + j, panel_width);
    for (int64_t k = deep; k < depth; ++k) {
      for (int64_t i = j; i < j + 8; ++i) to[k * panel_width + i] = from[i * stride + k];
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t j = whole; j < panel_width; ++j) to[k * panel_width + j] = j < count ? from[j * stride + k] : 0U;
  }
}

void pack_tile(const void* x, int64_t stride, int64_t count, int64_t depth, void* tile) {
  const auto* from = static_cast<const Word*>(x);
  auto* to = static_cast<Word*>(tile);
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < tile_rows; ++i) to[k * tile_rows + i] = i < count ? from[i * stride + k] : 0U;
  }
}

/// Writes the results of a tile, or the part of it that there is.
inline void store_tile(const Vector (&sums)[tile_rows][2], int64_t rows, int64_t count, float* out, int64_t out_stride,
                       bool accumulate) {
  if (rows >= tile_rows && count == panel_width) {
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
      float* to = out + i * out_stride;
      store(to, accumulate ? load<Vector>(to) + sums[i][0] : sums[i][0]);
      store(to + lanes, accumulate ? load<Vector>(to + lanes) + sums[i][1] : sums[i][1]);
    }
    return;
  }
  for (int64_t i = 0; i < (rows < tile_rows ? rows : tile_rows); ++i) {
    float whole[panel_width];
    store(whole, sums[i][0]);
    store(whole + lanes, sums[i][1]);
    float* to = out + i * out_stride;
    for (int64_t j = 0; j < count; ++j) to[j] = accumulate ? to[j] + whole[j] : whole[j];
  }
}

/// The first `rows` of a tile: fewer take less time, and give the same bits.
template <int rows>
inline void multiply_tile(const float* x, const float* panel, int64_t depth, Vector (&sums)[tile_rows][2]) {
  for (int64_t k = 0; k < depth; ++k) {
    const auto left = load<Vector>(panel + k * panel_width), right = load<Vector>(panel + k * panel_width + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const float factor = x[k * tile_rows + i];
      sums[i][0] += factor * left;
      sums[i][1] += factor * right;
    }
  }
}

void multiply(const float* tiles, int64_t count_rows, const float* panel, int64_t depth, float* out, int64_t out_stride,
              int64_t count, bool accumulate) {
  for (int64_t row = 0; row < count_rows; row += tile_rows) {
    const float* x = tiles + row * depth;
    Vector sums[tile_rows][2] = {};
    if (count_rows - row == 1) {
      multiply_tile<1>(x, panel, depth, sums);
    } else {
      multiply_tile<tile_rows>(x, panel, depth, sums);
    }
    store_tile(sums, count_rows - row, count, out + row * out_stride, out_stride, accumulate);
  }
}

/// For each lane the sum of two products of int16.
inline Ints multiply_pairs(Ints a, Ints b) {
#if LLMDIT_GEMM_BYTES == 64 && defined(__AVX512BW__)
  return (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__)
  return (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif LLMDIT_GEMM_BYTES == 16 && defined(__SSE2__)
  return (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

inline Vector to_float(Ints numbers) { return __builtin_convertvector(numbers, Vector); }

template <int rows>
inline void multiply_tile_int16(const int16_t* x, const int16_t* panel, int64_t depth, Ints (&sums)[tile_rows][2]) {
  for (int64_t k = 0; k < depth; k += 2) {
    const auto left = load<Ints>(panel + k * panel_width), right = load<Ints>(panel + k * panel_width + 2 * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      int32_t pair;
      __builtin_memcpy(&pair, x + k * tile_rows + 2 * i, sizeof pair);
      const Ints factors = Ints{} + pair;
      sums[i][0] += multiply_pairs(factors, left);
      sums[i][1] += multiply_pairs(factors, right);
    }
  }
}

/// Has the compiler finish a row of a tile before the next: with products of several rows at once in registers, those
/// do not suffice for the sums.
inline void finish_row(Ints (&sums)[2]) {
#if (LLMDIT_GEMM_BYTES == 64 && defined(__AVX512BW__)) || (LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__))
  asm volatile("" : "+v"(sums[0]), "+v"(sums[1]));
#else
  (void)sums;
#endif
}

/// The same where the results of a row are in memory.
inline void finish_row() { asm volatile("" ::: "memory"); }

/// Adds a tile's products, group by group, to `results`; the factors of rows are still missing.
template <int rows>
inline void multiply_groups_int16(const int16_t* x, const Int16Panel& panel, int64_t depth,
                                  Vector (&results)[tile_rows][2]) {
  const float* factors = panel.factors;
  for (int64_t k = 0; k < depth; k += panel.group, factors += panel_width) {
    Ints sums[tile_rows][2] = {};
    multiply_tile_int16<rows>(x + k * tile_rows, panel.numbers + k * panel_width, panel.group, sums);
    const auto left = load<Vector>(factors), right = load<Vector>(factors + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      results[i][0] += to_float(sums[i][0]) * left;
      results[i][1] += to_float(sums[i][1]) * right;
      finish_row();
    }
  }
}

void multiply_int16(const Int16Rows& rows, int64_t count_rows, const Int16Panel& panel, int64_t depth, float* out,
                    int64_t out_stride, int64_t count, bool accumulate) {
  for (int64_t row = 0; row < count_rows; row += tile_rows) {
    const int16_t* x = rows.numbers + row * depth;
    Vector results[tile_rows][2] = {};
    if (count_rows - row == 1) {
      multiply_groups_int16<1>(x, panel, depth, results);
    } else {
      multiply_groups_int16<tile_rows>(x, panel, depth, results);
    }
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
      const float scale = row + i < count_rows ? rows.scales[row + i] : 0.0f;
      results[i][0] *= scale;
      results[i][1] *= scale;
    }
    store_tile(results, count_rows - row, count, out + row * out_stride, out_stride, accumulate);
  }
}

/// For each lane of 16 bits the sum of two products of an unsigned and a signed byte, which fits.
inline Ints multiply_bytes(Ints unsigned_bytes, Ints signed_bytes) {
#if LLMDIT_GEMM_BYTES == 64 && defined(__AVX512BW__)
  return (Ints)_mm512_maddubs_epi16((__m512i)unsigned_bytes, (__m512i)signed_bytes);
#elif LLMDIT_GEMM_BYTES == 32 && defined(__AVX2__)
  return (Ints)_mm256_maddubs_epi16((__m256i)unsigned_bytes, (__m256i)signed_bytes);
#else
  const auto a = (UnsignedShorts)unsigned_bytes;
  const auto b = (Shorts)signed_bytes;
  return (Ints)((Shorts)(a & 0xff) * (b << 8 >> 8) + (Shorts)(a >> 8) * (b >> 8));
#endif
}

inline Ints add_shorts(Ints a, Ints b) { return (Ints)((Shorts)a + (Shorts)b); }

/// A group's sums of products; see multiply_nibbles. Sums of 16 bits hold it: 8 times 2 products of 15 and 127.
template <int rows>
inline void multiply_group(const int8_t* x, const uint8_t* panel, Ints (&sums)[tile_rows][2]) {
  for (int64_t k = 0; k < nibble_group; k += 4) {
    const auto left = load<Ints>(panel + k * panel_width), right = load<Ints>(panel + k * panel_width + 4 * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      int32_t four;
      __builtin_memcpy(&four, x + k * tile_rows + 4 * i, sizeof four);
      const Ints factors = Ints{} + four;
      sums[i][0] = add_shorts(sums[i][0], multiply_bytes(left, factors));
      sums[i][1] = add_shorts(sums[i][1], multiply_bytes(right, factors));
      finish_row(sums[i]);
    }
  }
}

/// Adds a tile's products to `results`.
template <int rows>
inline void multiply_tile_nibbles(const NibbleRows& x, const NibblePanel& panel, int64_t depth,
                                  Vector (&results)[tile_rows][2]) {
  const Ints ones = Ints{} + 0x10001;
  for (int64_t k = 0; k < depth; k += nibble_group) {
    Ints sums[tile_rows][2] = {};
    multiply_group<rows>(x.numbers + k * tile_rows, panel.numbers + k * panel_width, sums);
    const float* factors = panel.factors + k / nibble_group * panel_width;
    const float* scales = x.scales + k / nibble_group * tile_rows;
    const auto left = load<Vector>(factors), right = load<Vector>(factors + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      results[i][0] += to_float(multiply_pairs(sums[i][0], ones)) * (left * scales[i]);
      results[i][1] += to_float(multiply_pairs(sums[i][1], ones)) * (right * scales[i]);
      finish_row();
    }
  }
}

void multiply_nibbles(const NibbleRows& rows, int64_t count_rows, const NibblePanel& panel, int64_t depth, float* out,
                      int64_t out_stride, int64_t count, bool accumulate) {
  const int64_t groups = depth / nibble_group;
  for (int64_t row = 0; row < count_rows; row += tile_rows) {
    const NibbleRows x = {rows.numbers + row * depth, rows.scales + row * groups, rows.totals + row * groups};
    Vector results[tile_rows][2] = {};
    if (count_rows - row == 1) {
      multiply_tile<1>(x.totals, panel.minima, groups, results);
      multiply_tile_nibbles<1>(x, panel, depth, results);
    } else {
      multiply_tile<tile_rows>(x.totals, panel.minima, groups, results);
      multiply_tile_nibbles<tile_rows>(x, panel, depth, results);
    }
    store_tile(results, count_rows - row, count, out + row * out_stride, out_stride, accumulate);
  }
}

}  // namespace
}  // namespace llmdit::kernels

#include "kernels/dot_tile.hpp"

namespace llmdit::kernels {

extern const GemmKernel LLMDIT_GEMM_VARIABLE;
const GemmKernel LLMDIT_GEMM_VARIABLE = {
    .width = panel_width,
    .rows = tile_rows,
    .pack_panel = pack_panel,
    .pack_tile = pack_tile,
    .multiply = multiply,
    .multiply_int16 = multiply_int16,
    .multiply_nibbles = multiply_nibbles,
    .dot = dot,
    .dot_bfloat16 = dot_bfloat16,
    .dot_float16 = dot_float16,
    .dot_int8 = dot_int8,
    .dot_blocks = dot_blocks,
    .dot_nibbles = dot_nibbles,
    .widen_float16 = widen_float16,
};

}  // namespace llmdit::kernels
