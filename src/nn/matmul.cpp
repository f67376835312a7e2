#include "nn/matmul.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace llmdit::nn {
namespace {

/// Weights in the type of computation: libtorch's own product.
class DenseMatMul final : public MatMul {
 public:
  explicit DenseMatMul(at::Tensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return at::linear(x, weight_, bias.defined() ? std::optional(bias) : std::nullopt);
  }

 private:
  at::Tensor weight_;
};

/// 16-bit weights, wider computation: a panel of rows at a time is widened into a buffer that stays in cache and is
/// multiplied there, so that a 16-bit file costs the time of float32 and the memory of 16 bits.
class WidenedMatMul final : public MatMul {
 public:
  explicit WidenedMatMul(at::Tensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    const int64_t rows_out = weight_.size(0);
    const int64_t panel_rows = std::min(rows_out, std::max<int64_t>(64, panel_elements / weight_.size(1)));
    at::Tensor panel = at::empty({panel_rows, weight_.size(1)}, x.options());
    at::Tensor out = at::empty({x.size(0), rows_out}, x.options());
    for (int64_t row = 0; row < rows_out; row += panel_rows) {
      const int64_t count = std::min(panel_rows, rows_out - row);
      at::Tensor widened = panel.narrow(0, 0, count);
      widened.copy_(weight_.narrow(0, row, count));
      at::Tensor part = out.narrow(1, row, count);
      if (bias.defined()) {
        at::addmm_out(part, bias.narrow(0, row, count), x, widened.t());
      } else {
        at::mm_out(part, x, widened.t());
      }
    }
    return out;
  }

 private:
  static constexpr int64_t panel_elements = 1 << 20;  // 4 MiB of float32: measured best between L2 and L3 sizes
  at::Tensor weight_;
};

}  // namespace

MatMul::~MatMul() = default;

std::shared_ptr<const MatMul> make_matmul(const Weights& weights, int64_t in_features, int64_t out_features) {
  at::Tensor weight = weights.get("weight", {out_features, in_features});
  if (weight.scalar_type() == weights.compute()) return std::make_shared<DenseMatMul>(std::move(weight));
  if (weight.element_size() < at::elementSize(weights.compute()))
    return std::make_shared<WidenedMatMul>(std::move(weight));
  // Wider than the computation: a float32 matrix in a bf16 component on a GPU.
  return std::make_shared<DenseMatMul>(weight.to(weights.compute()));
}

}  // namespace llmdit::nn
