#include "nn/gemm.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "base/check.hpp"
#include "nn/gemm_products.hpp"
#include "nn/matvec.hpp"

namespace llmdit::nn {
namespace {

// Note [Products] in kernels/gemm.hpp. Measured best on processors with 512 KiB and 1 MiB of second cache.
constexpr int64_t chunk_outputs = 64;  // whose panels are made together
constexpr int64_t block_rows = 192;    // of x, used for all panels of a chunk before the next ones are; whole tiles
constexpr int64_t most_rows = 1152;    // packed at a time, which bounds the memory for them

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
      const at::Tensor memory = at::empty({chunk_outputs + kernel().width, Product::output_bytes}, at::kByte);
      for (int64_t first = begin * chunk_outputs; first < std::min(outputs_, end * chunk_outputs);
           first += chunk_outputs)
        multiply_chunk(first, std::min(outputs_, first + chunk_outputs),
                       static_cast<std::byte*>(memory.mutable_data_ptr()));
    });
  }

 private:
  void multiply_chunk(int64_t first, int64_t last, std::byte* panels) const {
    std::byte* wide = panels + chunk_outputs * Product::output_bytes;
    const int64_t width = kernel().width;
    const auto panel_of = [&](int64_t output) { return panels + (output - first) * Product::output_bytes; };
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
  if (all.size(0) <= most_matvec_rows) {
    multiply_few_rows(all, weight, out, bias.defined());
    return out;
  }
  for (int64_t row = 0; row < all.size(0); row += most_rows) {
    const int64_t rows = std::min(most_rows, all.size(0) - row);
    Loops(make_product(all.narrow(0, row, rows)), weight, out.narrow(0, row, rows), bias.defined())();
  }
  return out;
}

/// A product that needs no more than the weight.
template <class Product>
class CpuMatMul final : public MatMul {
 public:
  explicit CpuMatMul(StoredTensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return multiply(x, weight_, bias, [this](const at::Tensor& rows) { return Product(rows, weight_); });
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
  if (weight.as_integers && weight.block && kernels::has_nibbles(*weight.block))
    return std::make_shared<CpuMatMul<NibbleProduct>>(std::move(weight));
  if (weight.as_integers && weight.block == kernels::BlockType::q8_0)
    return std::make_shared<CpuMatMul<ByteBlockProduct>>(std::move(weight));
  const bool has_pairs = weight.shape[1] % 2 == 0;  // which is what is multiplied
  if (weight.as_integers && !weight.block && has_pairs) return std::make_shared<IntegerMatMul>(std::move(weight));
  return std::make_shared<CpuMatMul<FloatProduct>>(std::move(weight));
}

}  // namespace llmdit::nn
