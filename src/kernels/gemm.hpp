#pragma once

#include <cstdint>

namespace llmdit::kernels {

// Note [Products]
// out[rows, outputs] = x[rows, depth] W^T, W [outputs, depth]. A tile of results stays in registers while a panel, the
// weights of a few outputs side by side [depth][width], runs against the rows of x that the tile has, side by side as
// well [depth][rows]. Both are read from front to back: a panel from the first cache, x from the second. How wide a
// panel is and how many rows a tile has is the processor's matter; the loops around it are nn/gemm.cpp's. Floats are
// multiplied with fused multiply-add where there is one: results differ between processors in the last bits, as those
// of every library of products do.

/// Weights of 4 bits: a group along a row has a factor and a minimum, w = factor * nibble + minimum.
constexpr int64_t nibble_group = 32;

/// A panel of them.
struct NibblePanel {
  const uint8_t* numbers;         ///< [depth / 4][width][4]
  const float *factors, *minima;  ///< [groups][width]
};

/// Tiles of x rounded to 8 bits by groups.
struct NibbleRows {
  const int8_t* numbers;  ///< [depth / 4][rows][4]
  const float* scales;    ///< what brings a group's numbers back, [groups][rows]
  const float* totals;    ///< the sum of a group's rounded numbers times its scale, [groups][rows]
};

/// The products of one kind of processor.
struct GemmKernel {
  int64_t width;  ///< outputs of a panel
  int64_t rows;   ///< of a tile

  /// Turns `count` <= width rows of `depth` elements of 4 bytes, `stride` elements apart, into a panel
  /// [depth][width]; the columns of rows that are missing become zeros.
  void (*pack_panel)(const void* weights, int64_t stride, int64_t count, int64_t depth, void* panel);
  /// The same for `count` <= rows rows of x: [depth][rows].
  void (*pack_tile)(const void* x, int64_t stride, int64_t count, int64_t depth, void* tile);

  /// The products of `count_rows` rows of x, packed as tiles one after another, with a panel into the first `count`
  /// columns of `out`, added to what is there when `accumulate`. Strides are in elements.
  void (*multiply)(const float* tiles, int64_t count_rows, const float* panel, int64_t depth, float* out,
                   int64_t out_stride, int64_t count, bool accumulate);

  /// The same in integers: tiles and panels are packed from pairs of int16, and `depth`, which is even, is small enough
  /// for sums of 32 bits. Results are times a factor for each row and one for each of `width` outputs.
  void (*multiply_int16)(const int16_t* tiles, int64_t count_rows, const int16_t* panel, int64_t depth,
                         const float* row_scales, const float* output_scales, float* out, int64_t out_stride,
                         int64_t count, bool accumulate);

  /// Weights of 4 bits times x rounded to 8.
  void (*multiply_nibbles)(const NibbleRows& tiles, int64_t count_rows, const NibblePanel& panel, int64_t depth,
                           float* out, int64_t out_stride, int64_t count, bool accumulate);

  /// The product of two rows of numbers, one of them perhaps kept in bf16.
  float (*dot)(const float* a, const float* b, int64_t count);
  float (*dot_bfloat16)(const uint16_t* a, const float* b, int64_t count);
};

/// That of this processor, or an older one that chosen_cpu_kind() names.
const GemmKernel& gemm_kernel();

}  // namespace llmdit::kernels
