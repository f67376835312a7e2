#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace llmdit::nn {

// Rotary angles are position * theta^(-2k / dim), k = 0 .. dim/2 - 1.

/// exp(i * angle) for positions 0 .. length - 1: complex64 [length, dim / 2]. Angles in float64, rounded to float32
/// first, as the Z-Image reference does.
at::Tensor rope_table(int64_t length, int64_t dim, double theta);

/// The same for any positions [rows]: complex64 [rows, dim / 2].
at::Tensor rope_factors(const at::Tensor& positions, int64_t dim, double theta);

/// Rotates adjacent pairs (x0, x1), (x2, x3), ... in place: x float32 [rows, heads, dim], freqs_cis complex64 [rows,
/// dim / 2]. For another type of x the result is a new tensor. Differentiable, unless x is a leaf.
at::Tensor rotate_pairs(at::Tensor x, const at::Tensor& freqs_cis);

/// cos and sin of the angles of positions 0 .. length - 1, each [length, dim], the second half repeating the first, in
/// float32 throughout, as Qwen3 does.
struct RopeHalves {
  at::Tensor cos;
  at::Tensor sin;
};
RopeHalves rope_halves(int64_t length, int64_t dim, double theta, const at::TensorOptions& options);

/// The same for any positions [rows] float32.
RopeHalves rope_halves(const at::Tensor& positions, int64_t dim, double theta, const at::TensorOptions& options);

/// Rotates the pairs (x_i, x_{i + dim/2}): x [rows, heads, dim].
at::Tensor rotate_halves(const at::Tensor& x, const RopeHalves& rope);

}  // namespace llmdit::nn
