#include "kernels/elementwise.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/dispatch.hpp"

namespace llmdit::kernels {
namespace {

using Eight [[gnu::vector_size(32)]] = float;

/// 1 / sqrt(mean(x^2) + eps)
LLMDIT_INLINE float inverse_rms(const float* x, float eps, int64_t size) {
  Eight left{}, right{};
  const int64_t whole = size / 16 * 16;
  for (int64_t i = 0; i < whole; i += 16) {
    Eight a, b;
    std::memcpy(&a, x + i, sizeof a);
    std::memcpy(&b, x + i + 8, sizeof b);
    left += a * a;
    right += b * b;
  }
  left += right;
  float each[8];
  std::memcpy(each, &left, sizeof each);
  for (int64_t i = whole; i < size; ++i) each[i % 8] += x[i] * x[i];
  const float sum = ((each[0] + each[4]) + (each[2] + each[6])) + ((each[1] + each[5]) + (each[3] + each[7]));
  return 1.0f / std::sqrt(sum / static_cast<float>(size) + eps);
}

LLMDIT_DISPATCH void norm_row(const float* x, const RmsFactors& factors, float* out, int64_t size) {
  const float inverse = inverse_rms(x, factors.eps, size);
  const float *weight = factors.weight, *scale = factors.scale;
  if (scale) {
    for (int64_t i = 0; i < size; ++i) out[i] = x[i] * inverse * weight[i] * scale[i];
  } else {
    for (int64_t i = 0; i < size; ++i) out[i] = x[i] * inverse * weight[i];
  }
}

LLMDIT_DISPATCH void add_norm_row(const float* __restrict x, const RmsFactors& factors, float* __restrict sum,
                                  int64_t size) {
  const float inverse = inverse_rms(x, factors.eps, size);
  const float *weight = factors.weight, *scale = factors.scale;
  if (scale) {
    for (int64_t i = 0; i < size; ++i) sum[i] += scale[i] * (x[i] * inverse * weight[i]);
  } else {
    for (int64_t i = 0; i < size; ++i) sum[i] += x[i] * inverse * weight[i];
  }
}

LLMDIT_DISPATCH void turn_pairs(float* __restrict x, const float* __restrict cos_sin, int64_t size) {
  for (int64_t i = 0; i < size; i += 2) {
    const float a = x[i], b = x[i + 1], cos = cos_sin[i], sin = cos_sin[i + 1];
    x[i] = a * cos - b * sin;
    x[i + 1] = a * sin + b * cos;
  }
}

LLMDIT_DISPATCH void turn_halves(float* __restrict x, const float* __restrict cos, const float* __restrict sin,
                                 int64_t size) {
  const int64_t half = size / 2;
  float* __restrict y = x + half;
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = y[i];
    x[i] = a * cos[i] - b * sin[i];
    y[i] = b * cos[i + half] + a * sin[i + half];
  }
}

/// exp(x) for |x| up to 87, and no more beyond: x = n ln(2) + r, and a polynomial of r.
LLMDIT_INLINE float exponential(float x) {
  // By bits: compilers do not make vectors of comparisons that a NaN could trap.
  constexpr auto most = std::bit_cast<int32_t>(87.0f);
  const int32_t bits = std::bit_cast<int32_t>(x), magnitude = bits & 0x7fffffff;
  x = std::bit_cast<float>((magnitude < most ? magnitude : most) | (bits & ~0x7fffffff));
  constexpr float shift = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number in its low bits
  const float shifted = x * 1.44269504f + shift, n = shifted - shift;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln(2) in two parts, of which the first is exact
  constexpr float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  float sum = 1.0f / 5040;
#pragma GCC unroll 7
  for (int i = 0; i < 7; ++i) sum = sum * r + factors[i];
  return sum * std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127u) << 23);
}

LLMDIT_DISPATCH void silu_multiply_all(float* __restrict gate, const float* __restrict up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) gate[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
}

}  // namespace

void rms_norm(const float* x, const RmsFactors& factors, float* out, int64_t size) noexcept {
  norm_row(x, factors, out, size);
}

void add_rms_norm(const float* x, const RmsFactors& factors, float* sum, int64_t size) noexcept {
  add_norm_row(x, factors, sum, size);
}

void norm_rotate_pairs(float* x, const RmsFactors& factors, const float* cos_sin, int64_t size) noexcept {
  norm_row(x, factors, x, size);
  turn_pairs(x, cos_sin, size);
}

void norm_rotate_halves(float* x, const RmsFactors& factors, const float* cos, const float* sin,
                        int64_t size) noexcept {
  norm_row(x, factors, x, size);
  turn_halves(x, cos, sin, size);
}

void silu_multiply(float* gate, const float* up, int64_t count) noexcept { silu_multiply_all(gate, up, count); }

}  // namespace llmdit::kernels
