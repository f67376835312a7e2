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

/// Weights kept narrower than the computation: a panel of rows at a time is widened into a buffer that stays in cache
/// and is multiplied there, so that a file of 16 bits or of 4 costs the time of float32 and its own memory.
class WidenedMatMul final : public MatMul {
 public:
  explicit WidenedMatMul(StoredTensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    const int64_t rows_out = weight_.shape[0], columns = weight_.shape[1];
    const int64_t panel_rows = std::min(rows_out, std::max<int64_t>(64, panel_elements / columns));
    at::Tensor panel = at::empty({panel_rows, columns}, x.options());
    at::Tensor out = at::empty({x.size(0), rows_out}, x.options());
    for (int64_t row = 0; row < rows_out; row += panel_rows) {
      const int64_t count = std::min(panel_rows, rows_out - row);
      at::Tensor widened = panel.narrow(0, 0, count);
      weight_.widen_rows(row, count, widened);
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
  StoredTensor weight_;
};

/// A product with an adapter of low rank beside it: x W^T + (x down^T) up^T.
class AdaptedMatMul final : public MatMul {
 public:
  AdaptedMatMul(std::shared_ptr<const MatMul> base, const LowRank& adapter, at::ScalarType compute)
      : base_(std::move(base)), up_(adapter.up.to(compute)), down_(adapter.down.to(compute)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return (*base_)(x, bias).addmm_(at::linear(x, down_), up_.t());
  }

 private:
  std::shared_ptr<const MatMul> base_;
  at::Tensor up_, down_;
};

std::shared_ptr<const MatMul> base_matmul(StoredTensor weight, at::ScalarType compute) {
  if (!weight.is_plain()) return std::make_shared<WidenedMatMul>(std::move(weight));
  const at::ScalarType stored = weight.data.scalar_type();
  if (stored == compute) return std::make_shared<DenseMatMul>(std::move(weight.data));
  if (c10::elementSize(stored) < c10::elementSize(compute)) return std::make_shared<WidenedMatMul>(std::move(weight));
  // Wider than the computation: a float32 matrix in a bf16 component on a GPU.
  return std::make_shared<DenseMatMul>(weight.data.to(compute));
}

}  // namespace

MatMul::~MatMul() = default;

std::shared_ptr<const MatMul> make_matmul(const Weights& weights, int64_t in_features, int64_t out_features) {
  StoredTensor weight = weights.get("weight", {out_features, in_features});
  const auto adapter = std::exchange(weight.adapter, std::nullopt);
  auto matmul = base_matmul(std::move(weight), weights.compute());
  if (!adapter) return matmul;
  return std::make_shared<AdaptedMatMul>(std::move(matmul), *adapter, weights.compute());
}

}  // namespace llmdit::nn
