#include "nn/block_tensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

namespace llmdit::nn {
namespace {

using kernels::BlockType;

/// Bytes of `groups` equal groups a block [blocks, bytes] as numbers of `bits` bits: in each group first the lowest
/// bits of all its bytes, then the next ones. [blocks, numbers]
at::Tensor fields(const at::Tensor& bytes, int64_t groups, int64_t bits) {
  const at::Tensor shifts = at::arange(0, 8, bits, bytes.options()).view({-1, 1});
  const at::Tensor parts = at::bitwise_right_shift(bytes.reshape({bytes.size(0), groups, 1, -1}), shifts);
  return parts.bitwise_and_((1 << bits) - 1).view({bytes.size(0), -1});
}

/// The bytes of some blocks, by their places in kernels/dequantize.cpp.
struct Blocks {
  at::Tensor bytes;  ///< [blocks, bytes of one] uint8
  at::Tensor grid;   ///< grid_of the type

  at::Tensor part(int64_t first, int64_t count) const { return bytes.narrow(1, first, count); }
  at::Tensor on_grid(const at::Tensor& nibbles) const {
    return grid.index_select(0, nibbles.to(at::kInt).flatten()).view(nibbles.sizes());
  }
  at::Tensor half(int64_t first) const { return part(first, 2).contiguous().view(at::kHalf).to(at::kFloat); }
};

/// Numbers whose lowest four bits lie apart from the others.
at::Tensor joined(const at::Tensor& low, const at::Tensor& high) { return low + high * 16; }

/// numbers * scales - minima, a scale and a minimum for each equal part of a block.
struct Unpacked {
  at::Tensor numbers;              ///< [blocks, weights] of any type
  at::Tensor scales, minima = {};  ///< [blocks, parts] float32; without minima undefined
};

/// Unsigned bytes, which wrap round to the signed ones they are read as.
at::Tensor centred(at::Tensor numbers, int64_t centre) { return numbers.sub_(centre).view(at::kChar); }

/// Those of 6 bits that Q4_K and Q5_K pack into 12 bytes.
Unpacked with_packed_scales(const Blocks& b, const at::Tensor& numbers) {
  const at::Tensor scale = b.part(4, 4), minimum = b.part(8, 4), both = b.part(12, 4);
  const auto upper = [](const at::Tensor& bytes) { return at::bitwise_right_shift(bytes, 2).bitwise_and_(48); };
  const at::Tensor scales = at::cat({scale.bitwise_and(63), both.bitwise_and(15) + upper(scale)}, 1);
  const at::Tensor minima = at::cat({minimum.bitwise_and(63), at::bitwise_right_shift(both, 4) + upper(minimum)}, 1);
  return {numbers, b.half(0) * scales, b.half(2) * minima};
}

/// What nibbles stand for in IQ4_NL and IQ4_XS; undefined for other types.
at::Tensor grid_of(BlockType type, const c10::Device& device) {
  if (type != BlockType::iq4_nl && type != BlockType::iq4_xs) return {};
  const auto& grid = kernels::nibble_grid;
  return at::tensor(at::ArrayRef<float>(grid, std::size(grid))).to(device, at::kChar);
}

Unpacked unpack(BlockType type, const Blocks& b) {
  switch (type) {
    case BlockType::q4_0:
      return {centred(fields(b.part(2, 16), 1, 4), 8), b.half(0)};
    case BlockType::q4_1:
      return {fields(b.part(4, 16), 1, 4), b.half(0), -b.half(2)};
    case BlockType::q5_0:
      return {centred(joined(fields(b.part(6, 16), 1, 4), fields(b.part(2, 4), 4, 1)), 16), b.half(0)};
    case BlockType::q5_1:
      return {joined(fields(b.part(8, 16), 1, 4), fields(b.part(4, 4), 4, 1)), b.half(0), -b.half(2)};
    case BlockType::q8_0:
      return {b.part(2, 32).view(at::kChar), b.half(0)};
    case BlockType::q2_k: {
      const at::Tensor both = fields(b.part(0, 16), 1, 4);  // the scales of all parts, then their minima
      return {fields(b.part(16, 64), 2, 2), b.half(80) * both.narrow(1, 0, 16), b.half(82) * both.narrow(1, 16, 16)};
    }
    case BlockType::q3_k: {
      const at::Tensor third = fields(b.part(0, 32), 1, 1), low = fields(b.part(32, 64), 2, 2);
      const at::Tensor scales = joined(fields(b.part(96, 8), 1, 4), fields(b.part(104, 4), 1, 2));
      return {centred(low + third * 4, 4), b.half(108) * centred(scales, 32)};
    }
    case BlockType::q4_k:
      return with_packed_scales(b, fields(b.part(16, 128), 4, 4));
    case BlockType::q5_k:
      return with_packed_scales(b, joined(fields(b.part(48, 128), 4, 4), fields(b.part(16, 32), 1, 1)));
    case BlockType::q6_k: {
      const at::Tensor numbers = joined(fields(b.part(0, 128), 2, 4), fields(b.part(128, 64), 2, 2));
      return {centred(numbers, 32), b.half(208) * b.part(192, 16).view(at::kChar)};
    }
    case BlockType::iq4_nl:
      return {b.on_grid(fields(b.part(2, 16), 1, 4)), b.half(0)};
    case BlockType::iq4_xs: {
      const at::Tensor scales = joined(fields(b.part(4, 4), 4, 4), fields(b.part(2, 2), 2, 2));
      return {b.on_grid(fields(b.part(8, 128), 8, 4)), b.half(0) * centred(scales, 32)};
    }
  }
  return {};
}

/// Into `out` [blocks, weights], computed in float32.
void write_weights(const Unpacked& unpacked, const at::Tensor& out) {
  const at::Tensor scales = unpacked.scales.unsqueeze(2);
  const at::Tensor numbers = unpacked.numbers.reshape({out.size(0), scales.size(1), -1});
  at::Tensor to = out.view(numbers.sizes());
  if (unpacked.minima.defined()) {
    at::sub_out(to, numbers * scales, unpacked.minima.unsqueeze(2));
  } else {
    at::mul_out(to, numbers, scales);
  }
}

}  // namespace

at::Tensor widen_blocks(BlockType type, const at::Tensor& blocks, at::ScalarType to) {
  const auto& format = kernels::block_format(type);
  const int64_t rows = blocks.size(0), columns = blocks.size(1) / format.bytes * format.weights;
  at::Tensor wide = at::empty({rows, columns}, blocks.options().dtype(to));
  const at::Tensor grid = grid_of(type, blocks.device());
  // Piece by piece: what lies between blocks and numbers takes several times the memory of either.
  constexpr int64_t piece = 1 << 25;
  const int64_t most = std::max<int64_t>(1, piece / std::max<int64_t>(1, columns));
  for (int64_t row = 0; row < rows; row += most) {
    const int64_t count = std::min(most, rows - row);
    const Blocks own{blocks.narrow(0, row, count).reshape({-1, format.bytes}), grid};
    write_weights(unpack(type, own), wide.narrow(0, row, count).view({-1, format.weights}));
  }
  return wide;
}

}  // namespace llmdit::nn
