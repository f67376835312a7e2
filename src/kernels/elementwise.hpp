#pragma once

#include <cstdint>

namespace llmdit::kernels {

// Note [Fused rows]
// What a block does between its products, one pass over a row where libtorch's operations take one each. The order of a
// row's sums is fixed, so that results depend neither on the threads that share the rows nor on the processor.

/// What a row takes after it has been divided by its root mean square.
struct RmsFactors {
  const float* weight;  ///< [size]
  const float* scale;   ///< [size], a modulation or a gate; null is 1
  float eps;            ///< added to the mean of squares
};

/// out = x / sqrt(mean(x^2) + eps) * weight * scale; x and out may be the same.
void rms_norm(const float* x, const RmsFactors& factors, float* out, int64_t size) noexcept;
/// The same added to what is there.
void add_rms_norm(const float* x, const RmsFactors& factors, float* sum, int64_t size) noexcept;

/// A head's numbers with their norm and then turned: pairs (x0, x1), (x2, x3), ... by
/// cos_sin [size / 2][2].
void norm_rotate_pairs(float* x, const RmsFactors& factors, const float* cos_sin, int64_t size) noexcept;
/// The pairs (x_i, x_{i + size/2}) by cos and sin, each [size].
void norm_rotate_halves(float* x, const RmsFactors& factors, const float* cos, const float* sin, int64_t size) noexcept;

/// gate = gate / (1 + exp(-gate)) * up; to 2e-7 of it for gates from -87 on.
void silu_multiply(float* gate, const float* up, int64_t count) noexcept;

}  // namespace llmdit::kernels
