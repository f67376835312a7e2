// The fused rows, compiled into this test, beside their formulas in double.
#include "../../src/kernels/elementwise.cpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace llmdit::kernels;
using Row = std::vector<float>;

Row random_row(int64_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Row row(static_cast<size_t>(size));
  for (float& number : row) number = 2 * normal(engine);
  return row;
}

std::vector<double> naive_norm(const Row& x, const Row& weight, double eps) {
  double squares = 0;
  for (const float number : x) squares += static_cast<double>(number) * number;
  const double root = std::sqrt(squares / static_cast<double>(x.size()) + eps);
  std::vector<double> result(x.size());
  for (size_t i = 0; i < x.size(); ++i) result[i] = x[i] / root * weight[i];
  return result;
}

void require_near(const std::vector<double>& want, const Row& got) {
  REQUIRE(want.size() == got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    INFO("number " << i << " is " << got[i] << " and should be " << want[i]);
    REQUIRE(std::abs(want[i] - got[i]) <= 2e-6 * (1 + std::abs(want[i])));
  }
}

constexpr float eps = 1e-5f;

}  // namespace

TEST_CASE("norm, modulation and gated sum in one pass", "[kernels]") {
  for (const int64_t size : {1, 6, 16, 24, 100, 3840}) {
    const Row x = random_row(size, 1), weight = random_row(size, 2), scale = random_row(size, 3);
    const auto normed = naive_norm(x, weight, eps);
    std::vector<double> scaled = normed, sum = normed, gated = normed;
    const Row before = random_row(size, 4);
    for (size_t i = 0; i < normed.size(); ++i) {
      scaled[i] *= scale[i];
      sum[i] += before[i];
      gated[i] = before[i] + normed[i] * scale[i];
    }
    Row out(x.size()), in_place = x, plain = before, with_gate = before;
    rms_norm(x.data(), {weight.data(), nullptr, eps}, out.data(), size);
    require_near(normed, out);
    rms_norm(in_place.data(), {weight.data(), scale.data(), eps}, in_place.data(), size);
    require_near(scaled, in_place);
    add_rms_norm(x.data(), {weight.data(), nullptr, eps}, plain.data(), size);
    require_near(sum, plain);
    add_rms_norm(x.data(), {weight.data(), scale.data(), eps}, with_gate.data(), size);
    require_near(gated, with_gate);
  }
}

TEST_CASE("norm and rotation in one pass", "[kernels]") {
  for (const int64_t size : {2, 12, 64, 128}) {
    const Row x = random_row(size, 1), weight = random_row(size, 2), a = random_row(size, 3), b = random_row(size, 4);
    const auto normed = naive_norm(x, weight, eps);
    std::vector<double> pairs(normed.size()), halves(normed.size());
    const size_t half = normed.size() / 2;
    for (size_t i = 0; i < half; ++i) {
      const double x0 = normed[2 * i], x1 = normed[2 * i + 1], cos = a[2 * i], sin = a[2 * i + 1];
      pairs[2 * i] = x0 * cos - x1 * sin;
      pairs[2 * i + 1] = x0 * sin + x1 * cos;
      halves[i] = normed[i] * a[i] - normed[i + half] * b[i];
      halves[i + half] = normed[i + half] * a[i + half] + normed[i] * b[i + half];
    }
    Row turned = x, turned_halves = x;
    norm_rotate_pairs(turned.data(), {weight.data(), nullptr, eps}, a.data(), size);
    require_near(pairs, turned);
    norm_rotate_halves(turned_halves.data(), {weight.data(), nullptr, eps}, a.data(), b.data(), size);
    require_near(halves, turned_halves);
  }
}

TEST_CASE("SiLU times another row", "[kernels]") {
  Row gate, up;
  std::vector<double> want;
  for (double x = -86; x < 100; x += 0.0371) {
    gate.push_back(static_cast<float>(x));
    up.push_back(gate.size() % 2 ? 1.5f : -0.25f);
    want.push_back(gate.back() / (1 + std::exp(-static_cast<double>(gate.back()))) * up.back());
  }
  silu_multiply(gate.data(), up.data(), static_cast<int64_t>(gate.size()));
  for (size_t i = 0; i < want.size(); ++i) REQUIRE(std::abs(gate[i] - want[i]) <= 3e-7 * std::abs(want[i]));

  constexpr float infinity = std::numeric_limits<float>::infinity();
  Row edges = {0.0f, -200.0f, -1e30f, 1e30f, infinity, std::numeric_limits<float>::quiet_NaN()}, ones(6, 1.0f);
  silu_multiply(edges.data(), ones.data(), 6);
  REQUIRE(edges[0] == 0.0f);
  REQUIRE(std::abs(edges[1]) <= 1e-34f);
  REQUIRE(std::abs(edges[2]) <= 1e-6f);
  REQUIRE(edges[3] == 1e30f);
  REQUIRE(edges[4] == infinity);
  REQUIRE(std::isnan(edges[5]));
}
