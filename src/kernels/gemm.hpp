#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block_format.hpp"

namespace llmdit::kernels {

// Note [Products]
// out[rows, outputs] = x[rows, depth] W^T, W [outputs, depth]. A tile of results stays in registers while a panel, the
// weights of a few outputs side by side [depth][width], runs against the rows of x that the tile has, side by side as
// well [depth][rows]. Both are read from front to back: a panel from the first cache, x from the second. How wide a
// panel is and how many rows a tile has is the processor's matter; the loops around it are nn/gemm.cpp's. Floats are
// multiplied with fused multiply-add where there is one: results differ between processors in the last bits, as those
// of every library of products do.

/// A panel of weights as integers of 16 bits, packed in pairs; `group` columns, a divisor of its depth, share a factor.
struct Int16Panel {
  const int16_t* numbers;  ///< [depth / 2][width][2]
  const float* factors;    ///< [depth / group][width]
  int64_t group;           ///< small enough for sums of 32 bits
};

/// Tiles of x as integers of 16 bits, a factor for each row.
struct Int16Rows {
  const int16_t* numbers;  ///< [depth / 2][rows][2]
  const float* scales;     ///< one a row
};

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

  /// The same in integers.
  void (*multiply_int16)(const Int16Rows& tiles, int64_t count_rows, const Int16Panel& panel, int64_t depth, float* out,
                         int64_t out_stride, int64_t count, bool accumulate);

  /// Weights of 4 bits times x rounded to 8.
  void (*multiply_nibbles)(const NibbleRows& tiles, int64_t count_rows, const NibblePanel& panel, int64_t depth,
                           float* out, int64_t out_stride, int64_t count, bool accumulate);

  /// The product of two rows of numbers, one of them as a weight is kept.
  float (*dot)(const float* a, const float* b, int64_t count);
  float (*dot_bfloat16)(const uint16_t* a, const float* b, int64_t count);
  float (*dot_float16)(const uint16_t* a, const float* b, int64_t count);
  /// A factor for each `columns` numbers, a multiple of dot_group.
  float (*dot_int8)(const int8_t* a, const float* factors, int64_t columns, const float* b, int64_t count);
  /// Blocks of a type that has_block_dot() names; `totals` are the sums of each dot_group of x.
  float (*dot_blocks)(BlockType type, const std::byte* blocks, const float* x, const float* totals, int64_t count);
  /// Blocks that has_nibbles() names, times one row of x rounded to 8 bits.
  float (*dot_nibbles)(BlockType type, const std::byte* blocks, const NibbleRows& x, int64_t count);

  /// Exact.
  void (*widen_float16)(const uint16_t* from, float* out, int64_t count);
};

/// What the columns of a factor are a multiple of in weights that are multiplied as single rows.
constexpr int64_t dot_group = 32;

constexpr bool has_block_dot(BlockType type) {
  return type == BlockType::q8_0 || type == BlockType::q4_0 || type == BlockType::q4_1 || type == BlockType::q4_k;
}

/// That of this processor, or an older one that chosen_cpu_kind() names.
const GemmKernel& gemm_kernel();

}  // namespace llmdit::kernels
