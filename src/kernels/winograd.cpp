#include "kernels/winograd.hpp"

#include "kernels/dispatch.hpp"

namespace llmdit::kernels {
namespace {

LLMDIT_DISPATCH void transform_input(const float* const* pixels, int64_t channels, float* __restrict out,
                                     int64_t stride) {
  // B^T d B with B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float columns[4][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const float d0 = pixels[x][c], d1 = pixels[4 + x][c], d2 = pixels[8 + x][c], d3 = pixels[12 + x][c];
      columns[0][x] = d0 - d2;
      columns[1][x] = d1 + d2;
      columns[2][x] = d2 - d1;
      columns[3][x] = d1 - d3;
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      const float* d = columns[y];
      float* to = out + 4 * y * stride + c;
      to[0] = d[0] - d[2];
      to[stride] = d[1] + d[2];
      to[2 * stride] = d[2] - d[1];
      to[3 * stride] = d[1] - d[3];
    }
  }
}

LLMDIT_DISPATCH void transform_weights(const float* __restrict weights, int64_t channels, float* __restrict out,
                                       int64_t stride) {
  // G g G^T with G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]
#pragma GCC ivdep
  for (int64_t c = 0; c < channels; ++c) {
    float columns[4][3];
#pragma GCC unroll 3
    for (int x = 0; x < 3; ++x) {
      const float g0 = weights[x * channels + c], g1 = weights[(3 + x) * channels + c],
                  g2 = weights[(6 + x) * channels + c];
      columns[0][x] = g0;
      columns[1][x] = 0.5f * (g0 + g1 + g2);
      columns[2][x] = 0.5f * (g0 - g1 + g2);
      columns[3][x] = g2;
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      const float* g = columns[y];
      float* to = out + 4 * y * stride + c;
      to[0] = g[0];
      to[stride] = 0.5f * (g[0] + g[1] + g[2]);
      to[2 * stride] = 0.5f * (g[0] - g[1] + g[2]);
      to[3 * stride] = g[2];
    }
  }
}

LLMDIT_DISPATCH void transform_output(const float* __restrict products, int64_t stride, const float* __restrict bias,
                                      int64_t channels, float* const* pixels) {
  // A^T m A with A^T = [1 1 1 0; 0 1 -1 -1]
  float* __restrict a = pixels[0], * __restrict b = pixels[1], * __restrict c = pixels[2], * __restrict d = pixels[3];
#pragma GCC ivdep
  for (int64_t i = 0; i < channels; ++i) {
    float rows[2][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const float* m = products + x * stride + i;
      const float m0 = m[0], m1 = m[4 * stride], m2 = m[8 * stride], m3 = m[12 * stride];
      rows[0][x] = m0 + m1 + m2;
      rows[1][x] = m1 - m2 - m3;
    }
    a[i] = rows[0][0] + rows[0][1] + rows[0][2] + bias[i];
    b[i] = rows[0][1] - rows[0][2] - rows[0][3] + bias[i];
    c[i] = rows[1][0] + rows[1][1] + rows[1][2] + bias[i];
    d[i] = rows[1][1] - rows[1][2] - rows[1][3] + bias[i];
  }
}

}  // namespace

void winograd_input(const float* const (&pixels)[16], int64_t channels, float* out, int64_t stride) noexcept {
  transform_input(pixels, channels, out, stride);
}

void winograd_weights(const float* weights, int64_t channels, float* out, int64_t stride) noexcept {
  transform_weights(weights, channels, out, stride);
}

void winograd_output(const float* products, int64_t stride, const float* bias, int64_t channels,
                     float* const (&pixels)[4]) noexcept {
  transform_output(products, stride, bias, channels, pixels);
}

}  // namespace llmdit::kernels
