// What a GPU makes of group norms, run on the CPU beside libtorch's own kernel.
#include "../../src/nn/group_norm.cpp"

#include "torch_and_catch.hpp"

namespace {

constexpr double eps = 1e-6;

double distance(const at::Tensor& got, const at::Tensor& want) {
  return ((got.to(at::kDouble) - want.to(at::kDouble)).abs().max() / want.to(at::kDouble).abs().max()).item<double>();
}

}  // namespace

TEST_CASE("group norms by plain operations are those of the kernel", "[nn]") {
  constexpr int64_t groups = 4, channels = 12;
  const at::Tensor weight = at::randn({channels}), bias = at::randn({channels});
  for (const int64_t height : {1, 3, 37}) {
    for (const auto layout : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      // Far from zero, and each channel otherwise.
      const at::Tensor x =
          (at::randn({2, channels, height, 20}) * at::randn({channels, 1, 1}) + 5 * at::randn({channels, 1, 1}))
              .contiguous(layout);
      const at::Tensor want = at::group_norm(x, groups, weight, bias, eps);
      const auto statistics = llmdit::nn::measure_groups(x, groups, eps);
      const at::Tensor got = llmdit::nn::normalize_groups(x, statistics, weight, bias);
      INFO("height " << height << ": " << distance(got, want));
      REQUIRE(got.is_contiguous(layout));
      REQUIRE(distance(got, want) < 1e-5);

      // In 16 bits: of the same numbers, rounded once.
      const at::Tensor half = x.to(at::kBFloat16);
      const at::Tensor exact = at::group_norm(half.to(at::kFloat), groups, weight, bias, eps);
      const at::Tensor rounded =
          llmdit::nn::normalize_groups(half, llmdit::nn::measure_groups(half, groups, eps), weight, bias);
      REQUIRE(rounded.scalar_type() == at::kBFloat16);
      REQUIRE(rounded.is_contiguous(layout));
      REQUIRE(((rounded.to(at::kFloat) - exact).abs() <= exact.abs() / 256 + 1e-5).all().item<bool>());
    }
  }
}

TEST_CASE("a group norm far from zero", "[nn]") {
  const at::Tensor x = at::randn({1, 8, 64, 64}) + 100, weight = at::ones({8}), bias = at::zeros({8});
  const at::Tensor want = at::group_norm(x.to(at::kDouble), 2, weight.to(at::kDouble), bias.to(at::kDouble), eps);
  REQUIRE(distance(llmdit::nn::normalize_groups(x, llmdit::nn::measure_groups(x, 2, eps), weight, bias), want) < 2e-3);
}

TEST_CASE("a group norm with the statistics of another picture", "[nn]") {
  const at::Tensor whole = at::randn({1, 8, 16, 16}) + 1, weight = at::randn({8}), bias = at::randn({8});
  const auto statistics = llmdit::nn::measure_groups(whole, 2, eps);
  const at::Tensor want = at::group_norm(whole, 2, weight, bias, eps).narrow(2, 3, 5);
  REQUIRE(distance(llmdit::nn::normalize_groups(whole.narrow(2, 3, 5), statistics, weight, bias), want) < 1e-5);
}
