// The transforms of Winograd's convolution, compiled into this test, beside the plain sum.
#include "../../src/kernels/winograd.cpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>
#include <vector>

namespace {

using namespace llmdit::kernels;

std::vector<float> random_numbers(int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& number : numbers) number = normal(engine);
  return numbers;
}

/// The result at (y, x) of one output: 4 x 4 pixels [16][channels], weights [3][3][channels].
double naive(const std::vector<float>& pixels, const std::vector<float>& weights, int64_t channels, int64_t y,
             int64_t x) {
  double sum = 0;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t pixel = (y + tap / 3) * 4 + x + tap % 3;
    for (int64_t c = 0; c < channels; ++c)
      sum += static_cast<double>(pixels[pixel * channels + c]) * weights[tap * channels + c];
  }
  return sum;
}

}  // namespace

TEST_CASE("a tile by Winograd's sums is the plain convolution", "[kernels]") {
  for (const int64_t channels : {1, 5, 8, 67}) {
    const auto pixels = random_numbers(16 * channels, 1), weights = random_numbers(9 * channels, 2);
    const float* places[16];
    for (int64_t i = 0; i < 16; ++i) places[i] = pixels.data() + i * channels;
    const int64_t stride = channels + 3;
    std::vector<float> inputs(16 * stride), factors(16 * stride), products(16);
    winograd_input(places, channels, inputs.data(), stride);
    winograd_weights(weights.data(), channels, factors.data(), stride);
    for (int64_t p = 0; p < winograd_positions; ++p) {
      for (int64_t c = 0; c < channels; ++c) products[p] += inputs[p * stride + c] * factors[p * stride + c];
    }
    const float bias = 0.25f;
    float results[4];
    float* const to[4] = {results, results + 1, results + 2, results + 3};
    winograd_output(products.data(), 1, &bias, 1, to);
    for (int64_t i = 0; i < 4; ++i) {
      const double want = naive(pixels, weights, channels, i / 2, i % 2) + bias;
      INFO(channels << " channels, result " << i << ": " << results[i] << " and should be " << want);
      REQUIRE(std::abs(results[i] - want) <= 1e-5 * std::sqrt(9.0 * static_cast<double>(channels)));
    }
  }
}
