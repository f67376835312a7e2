// The products of Note [Products], compiled once for each kind of processor by a file that defines
// LLMDIT_GEMM_BYTES (of a vector), LLMDIT_GEMM_ROWS (of a tile) and LLMDIT_GEMM_NAME. Nothing here may be shared
// between these files: the linker would keep one of the copies, and it could be that of the newest processor.

#include "kernels/gemm.hpp"

namespace llmdit::kernels {
namespace {

using Vector [[gnu::vector_size(LLMDIT_GEMM_BYTES)]] = float;
using LooseVector [[gnu::vector_size(LLMDIT_GEMM_BYTES), gnu::aligned(4)]] = float;
using Eight [[gnu::vector_size(32)]] = float;
using LooseEight [[gnu::vector_size(32), gnu::aligned(4)]] = float;

constexpr int64_t lanes = LLMDIT_GEMM_BYTES / 4, panel_width = 2 * lanes, tile_rows = LLMDIT_GEMM_ROWS;

/// 8 x 8 elements, rows to columns.
inline void transpose_8x8(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  Eight a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = *reinterpret_cast<const LooseEight*>(from + i * from_stride);
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
    *reinterpret_cast<LooseEight*>(to + i * to_stride) =
        __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *reinterpret_cast<LooseEight*>(to + (i + 4) * to_stride) =
        __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
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
    const auto* weights = reinterpret_cast<const Vector*>(panel + k * panel_width);
    const Vector left = weights[0], right = weights[1];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const float factor = x[i * x_stride + k];
      sums[i][0] += factor * left;
      sums[i][1] += factor * right;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    auto* to = reinterpret_cast<LooseVector*>(out + i * out_stride);
    to[0] = accumulate ? to[0] + sums[i][0] : sums[i][0];
    to[1] = accumulate ? to[1] + sums[i][1] : sums[i][1];
  }
}

template <int Rows>
inline void multiply_some(const float* x, int64_t x_stride, const float* panel, int64_t depth, float* out,
                          int64_t out_stride, int64_t count, bool accumulate) {
  if (count == panel_width) return multiply_tile<Rows>(x, x_stride, panel, depth, out, out_stride, accumulate);
  float whole[Rows * panel_width];
  multiply_tile<Rows>(x, x_stride, panel, depth, whole, panel_width, false);
  for (int64_t i = 0; i < Rows; ++i) {
    for (int64_t j = 0; j < count; ++j) {
      float& to = out[i * out_stride + j];
      to = accumulate ? to + whole[i * panel_width + j] : whole[i * panel_width + j];
    }
  }
}

void multiply(const float* x, int64_t x_stride, int64_t rows, const float* panel, int64_t depth, float* out,
              int64_t out_stride, int64_t count, bool accumulate) {
  int64_t row = 0;
  const auto tiles_of = [&]<int Rows>() {
    for (; row + Rows <= rows; row += Rows)
      multiply_some<Rows>(x + row * x_stride, x_stride, panel, depth, out + row * out_stride, out_stride, count,
                          accumulate);
  };
  tiles_of.template operator()<tile_rows>();
  tiles_of.template operator()<4>();
  tiles_of.template operator()<2>();
  tiles_of.template operator()<1>();
}

}  // namespace

extern const GemmKernel LLMDIT_GEMM_VARIABLE;
const GemmKernel LLMDIT_GEMM_VARIABLE = {LLMDIT_GEMM_NAME, panel_width, pack, multiply};

}  // namespace llmdit::kernels
