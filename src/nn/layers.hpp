#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "nn/matmul.hpp"
#include "nn/weights.hpp"

namespace llmdit::nn {

/// y = x W^T + b from `weight` [out, in] and, when asked, `bias` [out].
class Linear {
 public:
  enum class Bias { no, yes };

  Linear(const Weights& weights, int64_t in_features, int64_t out_features, Bias bias);

  /// x [..., in] to [..., out].
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  std::shared_ptr<const MatMul> matmul_;
  at::Tensor bias_;  // undefined without one
  int64_t in_features_;
  int64_t out_features_;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last axis.
class RmsNorm {
 public:
  RmsNorm(const Weights& weights, int64_t size, double eps);

  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_;
  double eps_;
};

/// (x - mean(x)) / sqrt(var(x) + eps) * weight + bias over the last axis.
class LayerNorm {
 public:
  LayerNorm(const Weights& weights, int64_t size, double eps);

  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  double eps_;
};

/// w2(silu(w1 x) * w3 x), whatever the checkpoint calls the three.
class GatedFeedForward {
 public:
  struct Names {
    const char* gate;
    const char* up;
    const char* down;
  };

  GatedFeedForward(const Weights& weights, const Names& names, int64_t size, int64_t hidden);

  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear gate_;
  Linear up_;
  Linear down_;
};

}  // namespace llmdit::nn
