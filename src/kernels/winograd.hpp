#pragma once

#include <cstdint>

namespace llmdit::kernels {

// Note [Winograd]
// A convolution of 3 x 3 makes 2 x 2 results of 4 x 4 pixels. By Winograd's F(2 x 2, 3 x 3) that takes 16 products a
// channel where the plain sum takes 36: pixels and weights are added up into 16 numbers each ("positions"), these are
// multiplied position by position, which over all tiles and channels is 16 products of matrices, and each tile's 16
// results are added up into four. Factors are 1, 1/2 and 1/4 only, so that errors stay near those of the plain sum.

constexpr int64_t winograd_positions = 16;

/// The positions of a tile: 4 x 4 pixels of `channels` numbers, row by row, to out[position * stride + channel].
void winograd_input(const float* const (&pixels)[16], int64_t channels, float* out, int64_t stride) noexcept;

/// The positions of one output's weights [3][3][channels].
void winograd_weights(const float* weights, int64_t channels, float* out, int64_t stride) noexcept;

/// The 2 x 2 results of products[position * stride + channel], row by row, plus a bias.
void winograd_output(const float* products, int64_t stride, const float* bias, int64_t channels,
                     float* const (&pixels)[4]) noexcept;

}  // namespace llmdit::kernels
