#include "nn/layers.hpp"

#include <ATen/ATen.h>

namespace llmdit::nn {

Linear::Linear(const Weights& weights, int64_t in_features, int64_t out_features, Bias bias)
    : in_features_(in_features), out_features_(out_features) {
  matmul_ = make_matmul(weights, in_features, out_features);
  if (bias == Bias::yes) bias_ = weights.get_compute("bias", {out_features});
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  auto shape = x.sizes().vec();
  shape.back() = out_features_;
  return (*matmul_)(x.reshape({-1, in_features_}), bias_).view(shape);
}

RmsNorm::RmsNorm(const Weights& weights, int64_t size, double eps)
    : weight_(weights.get_compute("weight", {size})), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const { return at::rms_norm(x, weight_.sizes(), weight_, eps_); }

LayerNorm::LayerNorm(const Weights& weights, int64_t size, double eps)
    : weight_(weights.get_compute("weight", {size})), bias_(weights.get_compute("bias", {size})), eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight_.sizes(), weight_, bias_, eps_);
}

GatedFeedForward::GatedFeedForward(const Weights& weights, const Names& names, int64_t size, int64_t hidden)
    : gate_(weights.scope(names.gate), size, hidden, Linear::Bias::no),
      up_(weights.scope(names.up), size, hidden, Linear::Bias::no),
      down_(weights.scope(names.down), hidden, size, Linear::Bias::no) {}

at::Tensor GatedFeedForward::operator()(const at::Tensor& x) const {
  at::Tensor gate = gate_(x);
  return down_(at::silu_(gate).mul_(up_(x)));
}

}  // namespace llmdit::nn
