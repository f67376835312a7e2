#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "nn/matmul.hpp"
#include "nn/rope.hpp"
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

/// x / sqrt(mean(x^2) + eps) * weight over the last axis. On a CPU each of these is one pass over x: Note [Fused rows]
/// in kernels/elementwise.hpp. Not differentiable there.
class RmsNorm {
 public:
  RmsNorm(const Weights& weights, int64_t size, double eps);

  at::Tensor operator()(const at::Tensor& x) const;

  /// norm(x) * scale: x [rows, size], scale [rows, size] or [1, size].
  at::Tensor scaled(const at::Tensor& x, const at::Tensor& scale) const;

  /// sum += gate * norm(x): the gate as a scale, undefined is 1.
  void add_to(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& gate = {}) const;

  /// rotate_pairs(norm(x)) and rotate_halves(norm(x)): x [rows, heads, size], which may be used up.
  at::Tensor rotated_pairs(const at::Tensor& x, const at::Tensor& freqs_cis) const;
  at::Tensor rotated_halves(const at::Tensor& x, const RopeHalves& rope) const;

 private:
  /// Whether these are what the kernels take: float32 on the CPU.
  bool is_fused(const at::Tensor& x) const;
  at::Tensor fused(const at::Tensor& x, const at::Tensor& scale) const;

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
