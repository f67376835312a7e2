// The products of Note [Products], compiled once for each kind of processor by a file that defines
// LLMDIT_GEMM_BYTES (of a vector), LLMDIT_GEMM_ROWS (of a tile) and LLMDIT_GEMM_NAME. Nothing here may be shared
// between these files: the linker would keep one of the copies, and it could be that of the newest processor.

#include "kernels/gemm.hpp"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace llmdit::kernels {
namespace {

using Vector [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = float;
using Eight [[gnu::vector_size(32)]] = float;
using Ints [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = int32_t;

constexpr int64_t lanes = LLMDIT_GEMM_BYTES / 4, panel_width = 2 * lanes, tile_rows = LLMDIT_GEMM_ROWS;

/// A vector from anywhere in memory.
template <class V>
inline V load(const void* from) {
  V vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class V>
inline void store(float* to, const V& vector) {
  __builtin_memcpy(to, &vector, sizeof vector);
}

/// 8 x 8 elements, rows to columns.
inline void transpose_8x8(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
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

void pack(const void* rows, int64_t stride, int64_t count, int64_t depth, void* panel) {
  const auto* from = static_cast<const float*>(rows);
  auto* to = static_cast<float*>(panel);
  const int64_t whole = count / 8 * 8, deep = depth / 8 * 8;
  for (int64_t j = 0; j < whole; j += 8) {
    for (int64_t k = 0; k < deep; k += 8)
      transpose_8x8(from + j * stride + k, stride, to + k * panel_width + j, panel_width);
    for (int64_t k = deep; k < depth; ++k) {
      for (int64_t i = j; i < j + 8; ++i) to[k * panel_width + i] = from[i * stride + k];
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t j = whole; j < panel_width; ++j) to[k * panel_width + j] = j < count ? from[j * stride + k] : 0.0f;
  }
}

/// A tile of Rows x panel_width results.
template <int Rows>
inline void multiply_tile(const float* x, int64_t x_stride, const float* panel, int64_t depth, float* out,
                          int64_t out_stride, bool accumulate) {
  Vector sums[Rows][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const auto left = load<Vector>(panel + k * panel_width), right = load<Vector>(panel + k * panel_width + lanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const float factor = x[i * x_stride + k];
      sums[i][0] += factor * left;
      sums[i][1] += factor * right;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    float* to = out + i * out_stride;
    store(to, accumulate ? load<Vector>(to) + sums[i][0] : sums[i][0]);
    store(to + lanes, accumulate ? load<Vector>(to + lanes) + sums[i][1] : sums[i][1]);
  }
}

/// For each lane the sum of two products of int16.
inline Ints multiply_pairs(Ints a, Ints b) {
#if defined(__AVX512BW__)
  return (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

inline Vector to_float(Ints numbers) { return __builtin_convertvector(numbers, Vector); }

template <int Rows>
inline void multiply_tile_int16(const int16_t* x, int64_t x_stride, const int16_t* panel, int64_t depth,
                                const float* row_scales, const float* output_scales, float* out, int64_t out_stride,
                                bool accumulate) {
  Ints sums[Rows][2] = {};
  for (int64_t k = 0; k < depth; k += 2) {
    const auto left = load<Ints>(panel + k * panel_width), right = load<Ints>(panel + k * panel_width + 2 * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      int32_t pair;
      __builtin_memcpy(&pair, x + i * x_stride + k, sizeof pair);
      const Ints factors = Ints{} + pair;
      sums[i][0] += multiply_pairs(factors, left);
      sums[i][1] += multiply_pairs(factors, right);
    }
  }
  const auto left = load<Vector>(output_scales), right = load<Vector>(output_scales + lanes);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    float* to = out + i * out_stride;
    const Vector a = to_float(sums[i][0]) * (left * row_scales[i]), b = to_float(sums[i][1]) * (right * row_scales[i]);
    store(to, accumulate ? load<Vector>(to) + a : a);
    store(to + lanes, accumulate ? load<Vector>(to + lanes) + b : b);
  }
}

/// Rows of x in tiles; `tile<Rows>(row, out, out_stride, accumulate)` writes Rows x panel_width results.
template <class Tile>
inline void multiply_rows(int64_t rows, float* out, int64_t out_stride, int64_t count, bool accumulate,
                          const Tile& tile) {
  int64_t row = 0;
  const auto tiles_of = [&]<int Rows>() {
    for (; row + Rows <= rows; row += Rows) {
      float* to = out + row * out_stride;
      if (count == panel_width) {
        tile.template operator()<Rows>(row, to, out_stride, accumulate);
        continue;
      }
      float whole[Rows * panel_width];
      tile.template operator()<Rows>(row, whole, panel_width, false);
      for (int64_t i = 0; i < Rows; ++i) {
        for (int64_t j = 0; j < count; ++j)
          to[i * out_stride + j] = whole[i * panel_width + j] + (accumulate ? to[i * out_stride + j] : 0.0f);
      }
    }
  };
  tiles_of.template operator()<tile_rows>();
  tiles_of.template operator()<4>();
  tiles_of.template operator()<2>();
  tiles_of.template operator()<1>();
}

void multiply(const float* x, int64_t x_stride, int64_t rows, const float* panel, int64_t depth, float* out,
              int64_t out_stride, int64_t count, bool accumulate) {
  multiply_rows(rows, out, out_stride, count, accumulate,
                [=]<int Rows>(int64_t row, float* to, int64_t to_stride, bool adds) {
                  multiply_tile<Rows>(x + row * x_stride, x_stride, panel, depth, to, to_stride, adds);
                });
}

void multiply_int16(const int16_t* x, int64_t x_stride, int64_t rows, const int16_t* panel, int64_t depth,
                    const float* row_scales, const float* output_scales, float* out, int64_t out_stride, int64_t count,
                    bool accumulate) {
  multiply_rows(rows, out, out_stride, count, accumulate,
                [=]<int Rows>(int64_t row, float* to, int64_t to_stride, bool adds) {
                  multiply_tile_int16<Rows>(x + row * x_stride, x_stride, panel, depth, row_scales + row, output_scales,
                                            to, to_stride, adds);
                });
}

}  // namespace

extern const GemmKernel LLMDIT_GEMM_VARIABLE;
const GemmKernel LLMDIT_GEMM_VARIABLE = {LLMDIT_GEMM_NAME, panel_width, pack, multiply, multiply_int16};

}  // namespace llmdit::kernels
