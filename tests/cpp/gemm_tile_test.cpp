// The kernels of the widest processors, whose template is compiled here for any: vectors of 64 bytes, 12 rows.
#define LLMDIT_GEMM_VARIABLE gemm_under_test
#define LLMDIT_GEMM_BYTES 64
#define LLMDIT_GEMM_ROWS 12
#include "../../src/kernels/gemm_tile.hpp"
// What its results are compared with does not leave the library.
#include "../../src/kernels/dequantize.cpp"

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>
#include <vector>

namespace {

using llmdit::kernels::gemm_under_test;

constexpr int64_t width = 32, rows = 12, depth = 64, groups = 2;

struct Random {
  std::mt19937 engine{7};
  double operator()(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }

  template <class Number>
  std::vector<Number> numbers(int64_t count, double low, double high) {
    std::vector<Number> result(count);
    for (Number& number : result) number = static_cast<Number>((*this)(low, high));
    return result;
  }
};

void require_near(const std::vector<double>& want, const std::vector<float>& got) {
  for (size_t i = 0; i < want.size(); ++i) {
    INFO("number " << i << " is " << got[i] << " and should be " << want[i]);
    REQUIRE(std::abs(want[i] - got[i]) <= 1e-4 * (1 + std::abs(want[i])));
  }
}

/// Rows of `elements` numbers side by side, `each` of them together, padded to whole tiles: [tile][elements /
/// each][12].
template <class Number>
std::vector<Number> tiles_of(const std::vector<Number>& x, int64_t count, int64_t elements, int64_t each) {
  const int64_t tiles = (count + rows - 1) / rows;
  std::vector<Number> packed(tiles * rows * elements);
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t k = 0; k < elements; ++k)
      packed[row / rows * rows * elements + (k / each * rows + row % rows) * each + k % each] = x[row * elements + k];
  }
  return packed;
}

template <class Number>
std::vector<Number> panel_of(const std::vector<Number>& w, int64_t count, int64_t each) {
  std::vector<Number> panel(width * depth);
  gemm_under_test.pack_panel(w.data(), depth / each, count, depth / each, panel.data());
  return panel;
}

}  // namespace

TEST_CASE("products of floats and of 16 bits in wide vectors", "[kernels]") {
  Random random;
  const int64_t count = rows + 5, outputs = width - 3;
  const auto x = random.numbers<float>(count * depth, -1, 1), w = random.numbers<float>(outputs * depth, -1, 1);
  const auto x16 = random.numbers<int16_t>(count * depth, -300, 300);
  const auto w16 = random.numbers<int16_t>(outputs * depth, -127, 127);
  constexpr int64_t group = depth / 2;
  const auto x_scales = random.numbers<float>(count, 0.5, 1), w_scales = random.numbers<float>(2 * width, 0.5, 1);
  std::vector<double> want(count * outputs), want16(count * outputs);
  for (int64_t i = 0; i < count * outputs; ++i) {
    const int64_t row = i / outputs, output = i % outputs;
    for (int64_t k = 0; k < depth; ++k) {
      want[i] += static_cast<double>(x[row * depth + k]) * w[output * depth + k];
      const double factor = static_cast<double>(x_scales[row]) * w_scales[k / group * width + output];
      want16[i] += factor * x16[row * depth + k] * w16[output * depth + k];
    }
  }
  std::vector<float> got(count * outputs), got16(count * outputs);
  const auto tiles = tiles_of(x, count, depth, 1);
  gemm_under_test.multiply(tiles.data(), count, panel_of(w, outputs, 1).data(), depth, got.data(), outputs, outputs,
                           false);
  require_near(want, got);
  const auto tiles16 = tiles_of(x16, count, depth, 2);
  const auto panel16 = panel_of(w16, outputs, 2);
  gemm_under_test.multiply_int16({tiles16.data(), x_scales.data()}, count, {panel16.data(), w_scales.data(), group},
                                 depth, got16.data(), outputs, outputs, false);
  require_near(want16, got16);
}

TEST_CASE("products of nibbles in wide vectors", "[kernels]") {
  Random random;
  for (const int64_t count : {int64_t{1}, rows - 1, 2 * rows}) {
    const auto x = random.numbers<int8_t>(count * depth, -127.9, 127.9);
    const auto w = random.numbers<uint8_t>(width * depth, 0, 15.9);
    const auto scales = random.numbers<float>(count * groups, -1, 1),
               totals = random.numbers<float>(count * groups, -1, 1);
    const auto factors = random.numbers<float>(groups * width, -1, 1),
               minima = random.numbers<float>(groups * width, -1, 1);
    std::vector<double> want(count * width);
    for (int64_t i = 0; i < count * width; ++i) {
      const int64_t row = i / width, output = i % width;
      for (int64_t group = 0; group < groups; ++group) {
        int64_t sum = 0;
        for (int64_t k = group * 32; k < group * 32 + 32; ++k) sum += x[row * depth + k] * w[output * depth + k];
        want[i] += static_cast<double>(sum) * scales[row * groups + group] * factors[group * width + output] +
                   static_cast<double>(totals[row * groups + group]) * minima[group * width + output];
      }
    }
    const auto numbers = tiles_of(x, count, depth, 4);
    const auto packed_scales = tiles_of(scales, count, groups, 1), packed_totals = tiles_of(totals, count, groups, 1);
    const auto panel = panel_of(w, width, 4);
    std::vector<float> got(count * width, 1.0f);
    gemm_under_test.multiply_nibbles({numbers.data(), packed_scales.data(), packed_totals.data()}, count,
                                     {panel.data(), factors.data(), minima.data()}, depth, got.data(), width, width,
                                     true);
    for (double& value : want) value += 1;  // what was there
    require_near(want, got);
  }
}

TEST_CASE("products of single rows in wide vectors", "[kernels]") {
  Random random;
  for (const int64_t count : {1, 15, 64, 200}) {
    const auto a = random.numbers<float>(count, -1, 1), b = random.numbers<float>(count, -1, 1);
    std::vector<uint16_t> halves(count);
    double want = 0, want_halves = 0;
    for (int64_t k = 0; k < count; ++k) {
      uint32_t bits;
      std::memcpy(&bits, &a[k], sizeof bits);
      halves[k] = static_cast<uint16_t>(bits >> 16);
      bits &= 0xffff0000u;
      float rounded;
      std::memcpy(&rounded, &bits, sizeof rounded);
      want += static_cast<double>(a[k]) * b[k];
      want_halves += static_cast<double>(rounded) * b[k];
    }
    require_near({want, want_halves}, {gemm_under_test.dot(a.data(), b.data(), count),
                                       gemm_under_test.dot_bfloat16(halves.data(), b.data(), count)});
  }
}

TEST_CASE("half precision in wide vectors", "[kernels]") {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> got(all.size());
  for (const int64_t count : {int64_t{1}, int64_t{17}, int64_t{1 << 16}}) {
    gemm_under_test.widen_float16(all.data(), got.data(), count);
    for (int64_t i = 0; i < count; ++i) {
      const float want = llmdit::kernels::half_to_float(all[i]);
      REQUIRE((std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(want) || (want != want && got[i] != got[i])));
    }
  }
}

TEST_CASE("single rows of every kind of weight in wide vectors", "[kernels]") {
  using llmdit::kernels::BlockType;
  Random random;
  for (const int64_t count : {256, 512, 2560}) {
    const auto x = random.numbers<float>(count, -1, 1);
    const auto bytes = random.numbers<uint8_t>(2 * count, 0, 255);
    std::vector<float> wide(count);
    const auto want_of = [&] {
      double sum = 0;
      for (int64_t k = 0; k < count; ++k) sum += static_cast<double>(wide[k]) * x[k];
      return sum;
    };

    std::vector<float> totals(count / 32);
    for (int64_t k = 0; k < count; ++k) totals[k / 32] += x[k];
    const auto numbers = random.numbers<int8_t>(count, -127, 127);
    const auto factors = random.numbers<float>(count / 64, 0.001, 0.01);
    for (int64_t k = 0; k < count; ++k) wide[k] = static_cast<float>(numbers[k]) * factors[k / 64];
    require_near({want_of()}, {gemm_under_test.dot_int8(numbers.data(), factors.data(), 64, x.data(), count)});

    for (const auto& format : llmdit::kernels::block_formats) {
      if (!llmdit::kernels::has_block_dot(format.type)) continue;
      auto blocks = bytes;
      for (int64_t i = 0; i < count / format.weights; ++i) {  // factors that are finite: 0.01 or so
        for (int64_t at = 0; at < (format.type == BlockType::q8_0 || format.type == BlockType::q4_0 ? 2 : 4); at += 2) {
          const uint16_t half = 0x2100;
          std::memcpy(blocks.data() + i * format.bytes + at, &half, sizeof half);
        }
      }
      const auto* from = reinterpret_cast<const std::byte*>(blocks.data());
      llmdit::kernels::dequantize(format.type, from, wide.data(), count);
      require_near({want_of()}, {gemm_under_test.dot_blocks(format.type, from, x.data(), totals.data(), count)});
      if (format.type == BlockType::q8_0) continue;
      // x that is on the grid of 8 bits already
      const auto rounded = random.numbers<int8_t>(count, -127, 127);
      std::vector<float> scales(count / 32, 0.01f), rounded_totals(count / 32);
      double want = 0;
      for (int64_t k = 0; k < count; ++k) {
        rounded_totals[k / 32] += 0.01f * static_cast<float>(rounded[k]);
        want += static_cast<double>(wide[k]) * 0.01f * rounded[k];
      }
      require_near({want}, {gemm_under_test.dot_nibbles(
                               format.type, from, {rounded.data(), scales.data(), rounded_totals.data()}, count)});
    }
  }
}
