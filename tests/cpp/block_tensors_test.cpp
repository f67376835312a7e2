// What a GPU makes of blocks, run on the CPU beside the CPU's own kernel; that one is compiled into gemm_tile_test.cpp.
#include "../../src/nn/block_tensors.cpp"

#include <random>
#include <vector>

#include "torch_and_catch.hpp"

namespace {

namespace kernels = llmdit::kernels;

/// Where a block's 16-bit scales lie: of random bytes there some would be no numbers.
std::vector<int64_t> scales_of(kernels::BlockType type) {
  switch (type) {
    case kernels::BlockType::q2_k:
      return {80, 82};
    case kernels::BlockType::q3_k:
      return {108};
    case kernels::BlockType::q6_k:
      return {208};
    case kernels::BlockType::q4_1:
    case kernels::BlockType::q5_1:
    case kernels::BlockType::q4_k:
    case kernels::BlockType::q5_k:
      return {0, 2};
    default:
      return {0};
  }
}

at::Tensor random_blocks(const kernels::BlockFormat& format, int64_t rows, int64_t count) {
  std::mt19937 engine(7);
  const at::Tensor blocks = at::empty({rows, count * format.bytes}, at::kByte);
  auto* bytes = blocks.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < blocks.numel(); ++i) bytes[i] = static_cast<uint8_t>(engine());
  for (int64_t i = 0; i < rows * count; ++i) {
    for (const int64_t at : scales_of(format.type))
      bytes[i * format.bytes + at + 1] &= 0xbf;  // not the largest exponent
  }
  return blocks;
}

}  // namespace

TEST_CASE("blocks are the same numbers by tensor operations, bit for bit", "[nn]") {
  for (const kernels::BlockFormat& format : kernels::block_formats) {
    constexpr int64_t rows = 3, count = 40;
    const at::Tensor blocks = random_blocks(format, rows, count);
    const at::Tensor want = at::empty({rows, count * format.weights});
    kernels::dequantize(format.type, static_cast<const std::byte*>(blocks.const_data_ptr()),
                        want.mutable_data_ptr<float>(), want.numel());
    const at::Tensor got = llmdit::nn::widen_blocks(format.type, blocks, at::kFloat);
    INFO(format.name);
    REQUIRE(at::isfinite(want).all().item<bool>());
    REQUIRE(want.abs().max().item<float>() > 0);
    REQUIRE(got.equal(want));
    REQUIRE(llmdit::nn::widen_blocks(format.type, blocks, at::kBFloat16).equal(want.to(at::kBFloat16)));
  }
}

TEST_CASE("no rows of blocks are no numbers", "[nn]") {
  for (const kernels::BlockFormat& format : kernels::block_formats)
    REQUIRE(llmdit::nn::widen_blocks(format.type, random_blocks(format, 0, 2), at::kFloat).sizes() ==
            at::IntArrayRef({0, 2 * format.weights}));
}

TEST_CASE("blocks are widened in pieces where they are many", "[nn]") {
  const auto& format = kernels::block_format(kernels::BlockType::q4_0);
  const at::Tensor one = random_blocks(format, 1, 8192 * 2048 / format.weights);
  const at::Tensor got = llmdit::nn::widen_blocks(format.type, one.expand({3, -1}), at::kFloat);
  REQUIRE(got.sizes() == at::IntArrayRef({3, 8192 * 2048}));
  REQUIRE(got[2].equal(llmdit::nn::widen_blocks(format.type, one, at::kFloat)[0]));
}
