#include "nn/layers.hpp"

#include <ATen/ATen.h>

#include <algorithm>

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

namespace {

// [batch * length, heads, head_dim] to [batch, heads, length, head_dim], without a copy.
at::Tensor heads_first(const at::Tensor& x, int64_t batch, int64_t length) {
  return x.view({batch, length, x.size(1), x.size(2)}).transpose(1, 2);
}

at::Tensor dense_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t batch, bool causal) {
  const int64_t length = q.size(0) / batch;
  const bool grouped = q.size(1) != k.size(1);
  const at::Tensor out = at::scaled_dot_product_attention(
      heads_first(q, batch, length), heads_first(k, batch, length), heads_first(v, batch, length),
      /*attn_mask=*/{}, /*dropout_p=*/0.0, causal, /*scale=*/std::nullopt, grouped);
  return out.transpose(1, 2).reshape({q.size(0), q.size(1) * q.size(2)});
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& lengths, bool causal) {
  const bool equal = std::ranges::all_of(lengths, [&](int64_t length) { return length == lengths.front(); });
  if (equal) return dense_attention(q, k, v, static_cast<int64_t>(lengths.size()), causal);
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    parts.push_back(
        dense_attention(q.narrow(0, begin, length), k.narrow(0, begin, length), v.narrow(0, begin, length), 1, causal));
    begin += length;
  }
  return at::cat(parts);
}

}  // namespace llmdit::nn
