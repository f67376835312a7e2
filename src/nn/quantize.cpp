#include "nn/quantize.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

#include "base/cpu_kind.hpp"
#include "kernels/nibbles.hpp"
#include "kernels/widen.hpp"

namespace llmdit::nn {
namespace {

// Finer groups are more exact, and each costs a product in float32: 0.019 from float32 with one a row, 0.011 with
// these, for 5 % of the time (random weights of the real width). Native products take no groups.
constexpr int64_t int8_group = 128;
constexpr kernels::BlockType int4_blocks = kernels::BlockType::q4_0;

StoredTensor quantize_int8(const at::Tensor& weight, const c10::Device& device) {
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const bool is_native = device.is_cpu() && is_int8_native() && columns >= least_native_columns();
  const bool has_groups = columns % int8_group == 0 && !is_native;
  const int64_t group = has_groups ? int8_group : columns, groups = columns / group;
  StoredTensor stored{.data = at::empty({rows, columns}, at::kChar),
                      .scale = at::empty({rows, groups}),
                      .shape = {rows, columns},
                      .as_integers = true};
  const auto* from = weight.const_data_ptr<float>();
  auto* to = stored.data.mutable_data_ptr<int8_t>();
  auto* scales = stored.scale.mutable_data_ptr<float>();
  at::parallel_for(0, rows * groups, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) scales[i] = kernels::round_to_int8(from + i * group, to + i * group, group);
  });
  return stored;
}

}  // namespace

bool is_block_matrix(std::string_view name, at::IntArrayRef shape) {
  if (shape.size() != 2 || !name.ends_with(".weight")) return false;
  // The time embedder has an "mlp" of its own, which is no block's.
  constexpr std::array blocks = {"layers.", "noise_refiner.", "context_refiner."};
  constexpr std::array modules = {".attention.", ".feed_forward.", ".self_attn.", ".mlp."};
  return std::ranges::any_of(blocks, [&](std::string_view block) { return name.starts_with(block); }) &&
         std::ranges::any_of(modules, [&](std::string_view module) { return name.find(module) != name.npos; });
}

bool is_worth_quantizing(const StoredTensor& stored, Quantization kind) {
  if (kind == Quantization::none) return false;
  if (kind == Quantization::int8) return !stored.block && stored.data.element_size() > 1;
  const auto& format = kernels::block_format(int4_blocks);
  if (stored.block && kernels::has_nibbles(*stored.block)) return false;  // of 4 bits already
  const bool is_small = stored.block && kernels::block_format(*stored.block).bytes * format.weights <=
                                            format.bytes * kernels::block_format(*stored.block).weights;
  return !is_small && stored.shape[1] % format.weights == 0;
}

StoredTensor quantize_blocks(const at::Tensor& weight, kernels::BlockType type) {
  const auto& format = kernels::block_format(type);
  const int64_t rows = weight.size(0), columns = weight.size(1), row_bytes = columns / format.weights * format.bytes;
  const at::Tensor blocks = at::empty({rows, row_bytes}, at::kByte);
  const auto* from = weight.const_data_ptr<float>();
  auto* to = static_cast<std::byte*>(blocks.mutable_data_ptr());
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    kernels::quantize(type, from + begin * columns, to + begin * row_bytes, (end - begin) * columns);
  });
  return {.data = blocks, .block = type, .shape = weight.sizes().vec()};
}

StoredTensor quantize(const at::Tensor& weight, Quantization kind, const c10::Device& device) {
  const at::Tensor rows = weight.contiguous();
  return kind == Quantization::int8 ? quantize_int8(rows, device) : quantize_blocks(rows, int4_blocks);
}

}  // namespace llmdit::nn
