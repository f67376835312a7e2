#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <span>

#include "kernels/gemm.hpp"
#include "kernels/nibbles.hpp"
#include "kernels/widen.hpp"
#include "nn/stored_tensor.hpp"

// What the loops of nn/gemm.cpp multiply, one class for each kind of arithmetic: how panels are made from the stored
// weight, and which kernel runs on them. See Note [Products] in kernels/gemm.hpp.
namespace llmdit::nn {

constexpr int64_t panel_depth = 256;     // of a panel; a multiple of every block of quantised weights
constexpr int64_t least_work = 1 << 18;  // multiplications for which another thread pays

inline const kernels::GemmKernel& kernel() { return kernels::gemm_kernel(); }

/// A part of a panel: `count` outputs from `output`, `depth` columns from `k`.
struct PanelPart {
  int64_t output, count, k, depth;
};

/// Rows of x as tiles, one k after another in steps of `depth`; elements of 4 bytes.
class PackedRows {
 public:
  /// `columns` and `depth` count elements of 4 bytes, whatever the type of x.
  PackedRows(const at::Tensor& x, int64_t columns, int64_t depth) : columns_(columns), depth_(depth) {
    const int64_t tile = kernel().rows, tiles = (x.size(0) + tile - 1) / tile;
    padded_ = tiles * tile;
    packed_ = at::empty({padded_, columns}, at::dtype(at::kFloat));
    const auto* from = static_cast<const float*>(x.const_data_ptr());
    auto* to = packed_.mutable_data_ptr<float>();
    const int64_t grain = std::max<int64_t>(1, (1 << 16) / (tile * columns));
    at::parallel_for(0, tiles, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t row = t * tile, count = std::min(tile, x.size(0) - row);
        for (int64_t k = 0; k < columns_; k += depth_) {
          const int64_t depth = std::min(depth_, columns_ - k);
          kernel().pack_tile(from + row * columns_ + k, columns_, count, depth, to + padded_ * k + row * depth);
        }
      }
    });
  }

  /// The tiles from `row`, the first of one, in the step that begins at `k`.
  template <class Element>
  const Element* tiles(int64_t row, int64_t k) const {
    const float* words = packed_.const_data_ptr<float>() + padded_ * k + row * std::min(depth_, columns_ - k);
    return reinterpret_cast<const Element*>(words);
  }

 private:
  int64_t columns_, depth_, padded_;
  at::Tensor packed_;
};

/// Products in float32; weights of other kinds are widened on the way into the panel.
class FloatProduct {
 public:
  static constexpr int64_t output_bytes = panel_depth * sizeof(float);  ///< of a panel, for each output

  FloatProduct(const at::Tensor& x, const StoredTensor& weight)
      : weight_(weight), numbers_(weight.float_numbers()), columns_(x.size(1)), x_(x, columns_, depth()) {}

  int64_t depth() const { return panel_depth; }

  /// `wide` is memory of a panel's size.
  void make_panel(const PanelPart& part, std::byte* wide, std::byte* panel) const {
    if (numbers_)
      return kernel().pack_panel(numbers_ + part.output * columns_ + part.k, columns_, part.count, part.depth, panel);
    weight_.widen_part(part.output, part.count, part.k, part.depth, reinterpret_cast<float*>(wide));
    kernel().pack_panel(wide, part.depth, part.count, part.depth, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const std::byte* panel, float* out,
                int64_t out_stride, bool accumulate) const {
    kernel().multiply(x_.tiles<float>(row, part.k), rows, reinterpret_cast<const float*>(panel), part.depth, out,
                      out_stride, part.count, accumulate);
  }

 private:
  const StoredTensor& weight_;
  const float* numbers_;
  int64_t columns_;
  PackedRows x_;
};

/// Each row of x rounded to 16 bits, and the factors that bring the rows back.
struct RoundedRows {
  at::Tensor numbers, scales;

  explicit RoundedRows(const at::Tensor& x)
      : numbers(at::empty(x.sizes(), x.options().dtype(at::kShort))), scales(at::empty({x.size(0)}, x.options())) {
    const int64_t columns = x.size(1);
    const auto* from = x.const_data_ptr<float>();
    auto* to = numbers.mutable_data_ptr<int16_t>();
    auto* factors = scales.mutable_data_ptr<float>();
    at::parallel_for(0, x.size(0), std::max<int64_t>(1, least_work / columns), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        factors[row] = kernels::round_to_int16(from + row * columns, to + row * columns, columns);
    });
  }
};

/// Products in integers: x is rounded to 16 bits with a factor for each row.
class IntegerProduct {
 public:
  static constexpr int64_t output_bytes = panel_depth * sizeof(int16_t);

  IntegerProduct(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& scales)
      : weights_(weight.data.const_data_ptr<int8_t>()),
        scales_(scales.const_data_ptr<float>()),
        scales_stride_(scales.size(1)),
        columns_(x.size(1)),
        group_(columns_ / scales.size(0)),
        rounded_(x),
        x_(rounded_.numbers, columns_ / 2, depth() / 2) {}

  /// A panel lies in one group of the weights, which has one factor an output.
  int64_t depth() const { return std::min(panel_depth, group_); }

  void make_panel(const PanelPart& part, std::byte* memory, std::byte* panel) const {
    auto* wide = reinterpret_cast<int16_t*>(memory);
    for (int64_t i = 0; i < part.count; ++i)
      kernels::widen_to_int16(weights_ + (part.output + i) * columns_ + part.k, wide + i * part.depth, part.depth);
    kernel().pack_panel(wide, part.depth / 2, part.count, part.depth / 2, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const std::byte* panel, float* out,
                int64_t out_stride, bool accumulate) const {
    kernel().multiply_int16(
        {x_.tiles<int16_t>(row, part.k / 2), rounded_.scales.const_data_ptr<float>() + row}, rows,
        {reinterpret_cast<const int16_t*>(panel), scales_ + part.k / group_ * scales_stride_ + part.output, part.depth},
        part.depth, out, out_stride, part.count, accumulate);
  }

 private:
  const int8_t* weights_;
  const float* scales_;
  int64_t scales_stride_, columns_, group_;
  RoundedRows rounded_;
  PackedRows x_;
};

/// The same with weights of Q8_0, each group of which brings its factor along.
class ByteBlockProduct {
 public:
  static constexpr int64_t group = 32, groups = panel_depth / group;
  static constexpr int64_t output_bytes = panel_depth * sizeof(int16_t) + groups * sizeof(float);

  ByteBlockProduct(const at::Tensor& x, const StoredTensor& weight)
      : weight_(weight), rounded_(x), x_(rounded_.numbers, x.size(1) / 2, panel_depth / 2) {}

  int64_t depth() const { return panel_depth; }

  void make_panel(const PanelPart& part, std::byte* memory, std::byte* panel) const {
    auto* wide = reinterpret_cast<int16_t*>(memory);
    const int64_t width = kernel().width;
    auto* factors = reinterpret_cast<float*>(panel + width * panel_depth * sizeof(int16_t));
    std::fill_n(factors, width * groups, 0.0f);
    for (int64_t i = 0; i < part.count; ++i) {
      const auto blocks = weight_.row_part(part.output + i, part.k, part.depth);
      float row_factors[groups];
      kernels::unpack_q8_0(blocks.data(), wide + i * part.depth, row_factors, part.depth);
      for (int64_t g = 0; g < part.depth / group; ++g) factors[g * width + i] = row_factors[g];
    }
    kernel().pack_panel(wide, part.depth / 2, part.count, part.depth / 2, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const std::byte* panel, float* out,
                int64_t out_stride, bool accumulate) const {
    const auto* factors = reinterpret_cast<const float*>(panel + kernel().width * panel_depth * sizeof(int16_t));
    kernel().multiply_int16({x_.tiles<int16_t>(row, part.k / 2), rounded_.scales.const_data_ptr<float>() + row}, rows,
                            {reinterpret_cast<const int16_t*>(panel), factors, group}, part.depth, out, out_stride,
                            part.count, accumulate);
  }

 private:
  const StoredTensor& weight_;
  RoundedRows rounded_;
  PackedRows x_;
};

/// Rows of x rounded to 8 bits, each group of weights' columns with a factor of its own.
struct GroupedRows {
  at::Tensor numbers, scales, totals;  ///< as kernels::NibbleRows has them, not yet packed

  explicit GroupedRows(const at::Tensor& x)
      : numbers(at::empty(x.sizes(), x.options().dtype(at::kChar))),
        scales(at::empty({x.size(0), x.size(1) / kernels::nibble_group}, x.options())),
        totals(at::empty_like(scales)) {
    const int64_t columns = x.size(1), groups = scales.size(1);
    const auto* from = x.const_data_ptr<float>();
    auto* to = numbers.mutable_data_ptr<int8_t>();
    auto *factors = scales.mutable_data_ptr<float>(), *sums = totals.mutable_data_ptr<float>();
    at::parallel_for(0, x.size(0), std::max<int64_t>(1, least_work / columns), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        kernels::round_groups(from + row * columns, columns,
                              {to + row * columns, factors + row * groups, sums + row * groups});
      }
    });
  }
};

/// Products of weights of 4 bits in integers: x is rounded to 8 bits by the weights' groups.
class NibbleProduct {
 public:
  static constexpr int64_t groups = panel_depth / kernels::nibble_group;
  static constexpr int64_t output_bytes = panel_depth + 2 * groups * sizeof(float);

  NibbleProduct(const at::Tensor& x, const StoredTensor& weight) : NibbleProduct(GroupedRows(x), weight) {}

  int64_t depth() const { return panel_depth; }

  void make_panel(const PanelPart& part, std::byte* memory, std::byte* panel) const {
    auto* numbers = reinterpret_cast<uint8_t*>(memory);
    const int64_t width = kernel().width, part_groups = part.depth / kernels::nibble_group;
    auto *factors = reinterpret_cast<float*>(panel + width * panel_depth), *minima = factors + width * groups;
    std::fill_n(factors, 2 * width * groups, 0.0f);
    for (int64_t i = 0; i < part.count; ++i) {
      const auto blocks = weight_.row_part(part.output + i, part.k, part.depth);
      float row_factors[groups], row_minima[groups];
      kernels::unpack_nibbles(*weight_.block, blocks.data(), part.depth,
                              {numbers + i * part.depth, row_factors, row_minima});
      for (int64_t group = 0; group < part_groups; ++group) {
        factors[group * width + i] = row_factors[group];
        minima[group * width + i] = row_minima[group];
      }
    }
    kernel().pack_panel(numbers, part.depth / 4, part.count, part.depth / 4, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const std::byte* panel, float* out,
                int64_t out_stride, bool accumulate) const {
    const auto* factors = reinterpret_cast<const float*>(panel + kernel().width * panel_depth);
    const int64_t group = part.k / kernels::nibble_group;
    kernel().multiply_nibbles(
        {numbers_.tiles<int8_t>(row, part.k / 4), scales_.tiles<float>(row, group), totals_.tiles<float>(row, group)},
        rows, {reinterpret_cast<const uint8_t*>(panel), factors, factors + kernel().width * groups}, part.depth, out,
        out_stride, part.count, accumulate);
  }

 private:
  NibbleProduct(const GroupedRows& x, const StoredTensor& weight)
      : weight_(weight),
        numbers_(x.numbers, x.numbers.size(1) / 4, panel_depth / 4),
        scales_(x.scales, x.scales.size(1), groups),
        totals_(x.totals, x.totals.size(1), groups) {}

  const StoredTensor& weight_;
  PackedRows numbers_, scales_, totals_;
};

}  // namespace llmdit::nn
