#pragma once

#include <cstdint>
#include <string_view>

namespace llmdit::kernels {

// Note [Products]
// out[rows, outputs] = x[rows, depth] W^T, W [outputs, depth]. A panel holds the weights of a few outputs side by side,
// [depth][width], so that one load of it serves several rows of x: a tile of results stays in registers, a panel in the
// first cache, the rows of x in the second. How wide a panel is, and how many rows a tile has, is the processor's
// matter; the order of the loops around it is nn::Gemm's. Everything is float32 with fused multiply-add where there is
// one: results differ between processors in the last bits, as those of every library of products do.

/// The products of one kind of processor.
struct GemmKernel {
  std::string_view name;  ///< "avx512", "avx2", "baseline"
  int64_t width;          ///< outputs of a panel

  /// Turns `count` <= width rows of `depth` elements of 4 bytes, `stride` elements apart, into a panel
  /// [depth][width]; the columns of rows that are missing become zeros. `panel` is aligned to 64 bytes.
  void (*pack)(const void* rows, int64_t stride, int64_t count, int64_t depth, void* panel);

  /// The products of `rows` rows of x with a panel into the first `count` columns of `out`, added to what is there when
  /// `accumulate`. Strides are in elements.
  void (*multiply)(const float* x, int64_t x_stride, int64_t rows, const float* panel, int64_t depth, float* out,
                   int64_t out_stride, int64_t count, bool accumulate);

  /// The same in integers: x and weights are int16, a panel is packed from rows of pairs, and `depth`, which is even,
  /// is small enough for sums of 32 bits. Results are times a factor for each row and one for each of `width` outputs.
  void (*multiply_int16)(const int16_t* x, int64_t x_stride, int64_t rows, const int16_t* panel, int64_t depth,
                         const float* row_scales, const float* output_scales, float* out, int64_t out_stride,
                         int64_t count, bool accumulate);
};

/// That of this processor. The environment's LLMDIT_CPU = avx512, avx2 or baseline names the newest kind to use; throws
/// invalid_argument for another word.
const GemmKernel& gemm_kernel();

}  // namespace llmdit::kernels
