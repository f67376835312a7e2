#include "nn/gemm.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "kernels/widen.hpp"

namespace llmdit::nn {
namespace {

// Note [Products] in kernels/gemm.hpp. Measured best on processors with 512 KiB and 1 MiB of second cache.
constexpr int64_t chunk_outputs = 64;    // whose panels are made together
constexpr int64_t panel_depth = 256;     // of a panel; a multiple of every block of quantised weights
constexpr int64_t block_rows = 192;      // of x, used for all panels of a chunk before the next ones are; whole tiles
constexpr int64_t most_rows = 1152;      // packed at a time, which bounds the memory for them
constexpr int64_t least_work = 1 << 18;  // multiplications for which another thread pays

const kernels::GemmKernel& kernel() { return kernels::gemm_kernel(); }

/// A part of a panel: `count` outputs from `output`, `depth` columns from `k`.
struct PanelPart {
  int64_t output, count, k, depth;
};

/// Rows of x as tiles, one k after another in steps of `depth`; elements of 4 bytes.
class PackedRows {
 public:
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
  const void* tiles(int64_t row, int64_t k) const {
    return packed_.const_data_ptr<float>() + padded_ * k + row * std::min(depth_, columns_ - k);
  }

 private:
  int64_t columns_, depth_, padded_;
  at::Tensor packed_;
};

/// Products in float32; weights of other kinds are widened on the way into the panel.
class FloatProduct {
 public:
  using Element = float;

  FloatProduct(const at::Tensor& x, const StoredTensor& weight)
      : weight_(weight), numbers_(weight.float_numbers()), columns_(x.size(1)), x_(x, columns_, depth()) {}

  int64_t depth() const { return panel_depth; }

  void make_panel(const PanelPart& part, float* wide, float* panel) const {
    if (numbers_)
      return kernel().pack_panel(numbers_ + part.output * columns_ + part.k, columns_, part.count, part.depth, panel);
    weight_.widen_part(part.output, part.count, part.k, part.depth, wide);
    kernel().pack_panel(wide, part.depth, part.count, part.depth, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const float* panel, float* out, int64_t out_stride,
                bool accumulate) const {
    kernel().multiply(static_cast<const float*>(x_.tiles(row, part.k)), rows, panel, part.depth, out, out_stride,
                      part.count, accumulate);
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
  using Element = int16_t;

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

  void make_panel(const PanelPart& part, int16_t* wide, int16_t* panel) const {
    for (int64_t i = 0; i < part.count; ++i)
      kernels::widen_to_int16(weights_ + (part.output + i) * columns_ + part.k, wide + i * part.depth, part.depth);
    kernel().pack_panel(wide, part.depth / 2, part.count, part.depth / 2, panel);
  }

  void multiply(int64_t row, int64_t rows, const PanelPart& part, const int16_t* panel, float* out, int64_t out_stride,
                bool accumulate) const {
    kernel().multiply_int16(static_cast<const int16_t*>(x_.tiles(row, part.k / 2)), rows, panel, part.depth,
                            rounded_.scales.const_data_ptr<float>() + row,
                            scales_ + part.k / group_ * scales_stride_ + part.output, out, out_stride, part.count,
                            accumulate);
  }

 private:
  const int8_t* weights_;
  const float* scales_;
  int64_t scales_stride_, columns_, group_;
  RoundedRows rounded_;
  PackedRows x_;
};

/// Asks for a part's weights ahead of their use: short pieces of many rows, which no processor foresees.
void prefetch(const StoredTensor& weight, const PanelPart& part) {
  constexpr size_t line = 64;
  for (int64_t i = 0; i < part.count; ++i) {
    const auto bytes = weight.row_part(part.output + i, part.k, part.depth);
    for (size_t at = 0; at < bytes.size(); at += line) __builtin_prefetch(bytes.data() + at, 0, 2);
  }
}

/// The loops around a product: threads share the outputs; a chunk of them is multiplied with all rows of x, a panel's
/// depth after the other.
template <class Product>
class Loops {
 public:
  Loops(const Product& product, const StoredTensor& weight, const at::Tensor& out, bool accumulate)
      : product_(product),
        weight_(weight),
        out_(out.mutable_data_ptr<float>()),
        rows_(out.size(0)),
        outputs_(out.size(1)),
        columns_(weight.shape[1]),
        depth_(product.depth()),
        accumulate_(accumulate) {}

  void operator()() const {
    const int64_t chunks = (outputs_ + chunk_outputs - 1) / chunk_outputs;
    const int64_t grain = std::max<int64_t>(1, least_work / std::max<int64_t>(1, rows_ * columns_ * chunk_outputs));
    at::parallel_for(0, chunks, grain, [this](int64_t begin, int64_t end) {
      const at::Tensor memory =
          at::empty({chunk_outputs + kernel().width, panel_depth}, at::dtype(c10::CppTypeToScalarType<Element>::value));
      for (int64_t first = begin * chunk_outputs; first < std::min(outputs_, end * chunk_outputs);
           first += chunk_outputs)
        multiply_chunk(first, std::min(outputs_, first + chunk_outputs), memory.mutable_data_ptr<Element>());
    });
  }

 private:
  using Element = typename Product::Element;

  void multiply_chunk(int64_t first, int64_t last, Element* panels) const {
    Element* wide = panels + chunk_outputs * panel_depth;
    const int64_t width = kernel().width;
    const auto panel_of = [&](int64_t output) { return panels + (output - first) * panel_depth; };
    for (int64_t k = 0; k < columns_; k += depth_) {
      const auto part_of = [&](int64_t output, int64_t from_k) {
        return PanelPart{output, std::min(width, last - output), from_k, std::min(depth_, columns_ - from_k)};
      };
      for (int64_t output = first; output < last; output += width)
        product_.make_panel(part_of(output, k), wide, panel_of(output));
      for (int64_t row = 0; row < rows_; row += block_rows) {
        for (int64_t output = first; output < last; output += width) {
          if (row == 0 && k + depth_ < columns_) prefetch(weight_, part_of(output, k + depth_));
          product_.multiply(row, std::min(block_rows, rows_ - row), part_of(output, k), panel_of(output),
                            out_ + row * outputs_ + output, outputs_, accumulate_ || k > 0);
        }
      }
    }
  }

  const Product& product_;
  const StoredTensor& weight_;
  float* out_;
  int64_t rows_, outputs_, columns_, depth_;
  bool accumulate_;
};

/// Where the product is added to: the bias in every row, or nothing yet.
at::Tensor start(const at::Tensor& x, int64_t outputs, const at::Tensor& bias) {
  const at::Tensor out = at::empty({x.size(0), outputs}, x.options());
  if (bias.defined()) out.copy_(bias.expand_as(out));
  return out;
}

/// The product, a bounded number of rows at a time. `make_product` is called with these rows.
template <class MakeProduct>
at::Tensor multiply(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& bias,
                    const MakeProduct& make_product) {
  if (x.dim() != 2 || x.size(1) != weight.shape[1] || x.scalar_type() != at::kFloat || !x.is_cpu()) {
    fail(ErrorCode::internal, "matmul", "expected float32 rows of {} on the CPU, got {} of [{}]", weight.shape[1],
         c10::toString(x.scalar_type()), fmt::join(x.sizes(), ", "));
  }
  const at::Tensor all = x.contiguous(), out = start(all, weight.shape[0], bias);
  for (int64_t row = 0; row < all.size(0); row += most_rows) {
    const int64_t rows = std::min(most_rows, all.size(0) - row);
    Loops(make_product(all.narrow(0, row, rows)), weight, out.narrow(0, row, rows), bias.defined())();
  }
  return out;
}

class FloatMatMul final : public MatMul {
 public:
  explicit FloatMatMul(StoredTensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return multiply(x, weight_, bias, [this](const at::Tensor& rows) { return FloatProduct(rows, weight_); });
  }

 private:
  StoredTensor weight_;
};

class IntegerMatMul final : public MatMul {
 public:
  explicit IntegerMatMul(StoredTensor weight) : weight_(std::move(weight)) {
    const int64_t outputs = weight_.shape[0], padded = (outputs + chunk_outputs - 1) / chunk_outputs * chunk_outputs;
    const at::Tensor scales =
        weight_.scale.numel() == 1 ? weight_.scale.expand({outputs, 1}) : weight_.scale.view({outputs, -1});
    scales_ = at::constant_pad_nd(scales.t(), {0, padded - outputs}).contiguous();
  }

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return multiply(x, weight_, bias,
                    [this](const at::Tensor& rows) { return IntegerProduct(rows, weight_, scales_); });
  }

 private:
  StoredTensor weight_;
  at::Tensor scales_;  // [groups, outputs], padded to whole panels
};

}  // namespace

std::shared_ptr<const MatMul> make_cpu_matmul(StoredTensor weight) {
  const bool has_pairs = weight.shape[1] % 2 == 0;  // which is what is multiplied
  if (weight.as_integers && has_pairs) return std::make_shared<IntegerMatMul>(std::move(weight));
  return std::make_shared<FloatMatMul>(std::move(weight));
}

}  // namespace llmdit::nn
