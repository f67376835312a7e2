#include "nn/block_tensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

namespace llmdit::nn {
namespace {

using kernels::BlockType;

/// Bytes of `groups` equal groups a block [blocks, bytes] as numbers of `bits` bits: in each group first the lowest bits
/// of all its bytes, then the next ones. [blocks, numbers]
at::Tensor fields(const at::Tensor& bytes, int64_t groups, int64_t bits) {
  const at::Tensor shifts = at::arange(0, 8, bits, bytes.options()).view({-1, 1});
  const at::Tensor parts = at::bitwise_right_shift(bytes.reshape({bytes.size(0), groups, 1, -1}), shifts);
  return parts.bitwise_and_((1 << bits) - 1).view({bytes.size(0), -1});
}

/// The bytes of some blocks, by their places in kernels/dequantize.cpp.
struct Blocks {
  at::Tensor bytes;  ///< [blocks, bytes of one] uint8

  at::Tensor part(int64_t first, int64_t count) const { return bytes.narrow(1, first, count); }
  at::Tensor half(int64_t first) const { return part(first, 2).contiguous().view(at::kHalf).to(at::kFloat); }
};

/// Numbers whose lowest four bits lie apart from the others.
at::Tensor joined(const at::Tensor& low, const at::Tensor& high) { return low + high * 16; }

at::Tensor centred(const at::Tensor& numbers, int64_t centre) { return numbers.to(at::kFloat).sub_(centre); }

/// numbers [blocks, weights] times scales [blocks, parts], minus minima of the same parts where there are any.
at::Tensor scaled(const at::Tensor& numbers, const at::Tensor& scales, const at::Tensor& minima = {}) {
  at::Tensor weights = numbers.to(at::kFloat).view({numbers.size(0), scales.size(1), -1}) * scales.unsqueeze(2);
  if (minima.defined()) weights.sub_(minima.unsqueeze(2));
  return weights.view(numbers.sizes());
}

struct ScalesMinima {
  at::Tensor scales, minima;  ///< [blocks, 8] float32
};

/// Those of 6 bits that Q4_K and Q5_K pack into 12 bytes.
ScalesMinima packed_scales(const Blocks& b) {
  const at::Tensor scale = b.part(4, 4), minimum = b.part(8, 4), both = b.part(12, 4);
  const auto upper = [](const at::Tensor& bytes) { return at::bitwise_right_shift(bytes, 2).bitwise_and_(48); };
  const at::Tensor scales = at::cat({scale.bitwise_and(63), both.bitwise_and(15) + upper(scale)}, 1);
  const at::Tensor minima = at::cat({minimum.bitwise_and(63), at::bitwise_right_shift(both, 4) + upper(minimum)}, 1);
  return {b.half(0) * scales.to(at::kFloat), b.half(2) * minima.to(at::kFloat)};
}

at::Tensor on_grid(const at::Tensor& nibbles) {
  const auto& grid = kernels::nibble_grid;
  const at::Tensor values = at::tensor(at::ArrayRef<float>(grid, std::size(grid))).to(nibbles.device());
  return values.index_select(0, nibbles.to(at::kInt).flatten()).view(nibbles.sizes());
}

at::Tensor widen(BlockType type, const Blocks& b) {
  switch (type) {
    case BlockType::q4_0:
      return scaled(centred(fields(b.part(2, 16), 1, 4), 8), b.half(0));
    case BlockType::q4_1:
      return scaled(fields(b.part(4, 16), 1, 4), b.half(0), -b.half(2));
    case BlockType::q5_0:
      return scaled(centred(joined(fields(b.part(6, 16), 1, 4), fields(b.part(2, 4), 4, 1)), 16), b.half(0));
    case BlockType::q5_1:
      return scaled(joined(fields(b.part(8, 16), 1, 4), fields(b.part(4, 4), 4, 1)), b.half(0), -b.half(2));
    case BlockType::q8_0:
      return scaled(b.part(2, 32).contiguous().view(at::kChar), b.half(0));
    case BlockType::q2_k: {
      const at::Tensor both = fields(b.part(0, 16), 1, 4).to(at::kFloat);  // of each part a scale, then all minima
      return scaled(fields(b.part(16, 64), 2, 2), b.half(80) * both.narrow(1, 0, 16),
                    b.half(82) * both.narrow(1, 16, 16));
    }
    case BlockType::q3_k: {
      const at::Tensor third = fields(b.part(0, 32), 1, 1), low = fields(b.part(32, 64), 2, 2);
      const at::Tensor scales = joined(fields(b.part(96, 8), 1, 4), fields(b.part(104, 4), 1, 2));
      return scaled(centred(low + third * 4, 4), b.half(108) * centred(scales, 32));
    }
    case BlockType::q4_k: {
      const auto [scales, minima] = packed_scales(b);
      return scaled(fields(b.part(16, 128), 4, 4), scales, minima);
    }
    case BlockType::q5_k: {
      const auto [scales, minima] = packed_scales(b);
      return scaled(joined(fields(b.part(48, 128), 4, 4), fields(b.part(16, 32), 1, 1)), scales, minima);
    }
    case BlockType::q6_k: {
      const at::Tensor numbers = joined(fields(b.part(0, 128), 2, 4), fields(b.part(128, 64), 2, 2));
      const at::Tensor scales = b.part(192, 16).contiguous().view(at::kChar);
      return scaled(centred(numbers, 32), b.half(208) * scales.to(at::kFloat));
    }
    case BlockType::iq4_nl:
      return scaled(on_grid(fields(b.part(2, 16), 1, 4)), b.half(0));
    case BlockType::iq4_xs: {
      const at::Tensor scales = joined(fields(b.part(4, 4), 4, 4), fields(b.part(2, 2), 2, 2));
      return scaled(on_grid(fields(b.part(8, 128), 8, 4)), b.half(0) * centred(scales, 32));
    }
  }
  return {};
}

}  // namespace

at::Tensor widen_blocks(BlockType type, const at::Tensor& blocks) {
  const auto& format = kernels::block_format(type);
  const int64_t rows = blocks.size(0), columns = blocks.size(1) / format.bytes * format.weights;
  at::Tensor wide = at::empty({rows, columns}, blocks.options().dtype(at::kFloat));
  // Piece by piece: what lies between blocks and numbers takes several times the memory of either.
  constexpr int64_t piece = 1 << 24;
  const int64_t most = std::max<int64_t>(1, piece / std::max<int64_t>(1, columns));
  for (int64_t row = 0; row < rows; row += most) {
    const int64_t count = std::min(most, rows - row);
    const Blocks own{blocks.narrow(0, row, count).reshape({-1, format.bytes})};
    wide.narrow(0, row, count).copy_(widen(type, own).view({count, columns}));
  }
  return wide;
}

}  // namespace llmdit::nn
