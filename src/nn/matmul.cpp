#include "nn/matmul.hpp"

#include <ATen/ATen.h>

#include "nn/gemm.hpp"
#include "nn/native_matmul.hpp"

namespace llmdit::nn {
namespace {

/// Weights on a GPU in the type of computation: libtorch's own product.
class DenseMatMul final : public MatMul {
 public:
  explicit DenseMatMul(at::Tensor weight) : weight_(std::move(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return at::linear(x, weight_, bias.defined() ? std::optional(bias) : std::nullopt);
  }

 private:
  at::Tensor weight_;
};

/// Weights kept narrower than the computation, on a GPU: widened as a whole, in memory that is given back at once.
class WidenedMatMul final : public MatMul {
 public:
  WidenedMatMul(StoredTensor weight, at::ScalarType compute) : weight_(std::move(weight)), compute_(compute) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    return at::linear(x, weight_.widen(compute_), bias.defined() ? std::optional(bias) : std::nullopt);
  }

 private:
  StoredTensor weight_;
  at::ScalarType compute_;
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
  if (weight.data.is_cpu()) {
    const bool is_native = has_native_product(weight);
    return is_native ? make_native_matmul(weight) : make_cpu_matmul(std::move(weight));
  }
  const bool is_narrower = c10::elementSize(weight.data.scalar_type()) < c10::elementSize(compute);
  if (!weight.is_plain() || is_narrower) return std::make_shared<WidenedMatMul>(std::move(weight), compute);
  return std::make_shared<DenseMatMul>(weight.data.to(compute));
}

}  // namespace

MatMul::~MatMul() = default;

std::shared_ptr<const MatMul> make_matmul(const Weights& weights, int64_t in_features, int64_t out_features) {
  return make_matmul(weights.get("weight", {out_features, in_features}), weights.compute());
}

std::shared_ptr<const MatMul> make_matmul(StoredTensor weight, at::ScalarType compute) {
  const auto adapter = std::exchange(weight.adapter, std::nullopt);
  auto matmul = base_matmul(std::move(weight), compute);
  if (!adapter) return matmul;
  return std::make_shared<AdaptedMatMul>(std::move(matmul), *adapter, compute);
}

}  // namespace llmdit::nn
