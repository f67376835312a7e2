#include "nn/layers.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/elementwise.hpp"

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

namespace {

/// Calls `work` with each row, shared among threads.
template <class Work>
void for_rows(int64_t rows, int64_t size, const Work& work) {
  constexpr int64_t least_numbers = 1 << 15;  // for which another thread pays
  at::parallel_for(0, rows, std::max<int64_t>(1, least_numbers / std::max<int64_t>(1, size)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row) work(row);
                   });
}

bool is_float_on_cpu(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

/// Rows of factors, of which there may be one for all; null when there are none.
class FactorRows {
 public:
  explicit FactorRows(const at::Tensor& factors) {
    if (!factors.defined()) return;
    rows_ = factors.contiguous();
    stride_ = rows_.size(0) == 1 ? 0 : rows_.size(1);
    data_ = rows_.const_data_ptr<float>();
  }

  const float* row(int64_t row) const { return data_ ? data_ + row * stride_ : nullptr; }

 private:
  at::Tensor rows_;
  int64_t stride_ = 0;
  const float* data_ = nullptr;
};

}  // namespace

RmsNorm::RmsNorm(const Weights& weights, int64_t size, double eps)
    : weight_(weights.get_compute("weight", {size})), eps_(eps) {}

bool RmsNorm::is_fused(const at::Tensor& x) const { return is_float_on_cpu(x) && is_float_on_cpu(weight_); }

at::Tensor RmsNorm::fused(const at::Tensor& x, const at::Tensor& scale) const {
  const at::Tensor rows = x.contiguous(), out = at::empty_like(rows);
  const FactorRows scales(scale);
  const int64_t size = weight_.size(0);
  const auto *weight = weight_.const_data_ptr<float>(), *from = rows.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  for_rows(x.numel() / size, size, [&](int64_t row) {
    kernels::rms_norm(from + row * size, {weight, scales.row(row), static_cast<float>(eps_)}, to + row * size, size);
  });
  return out;
}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  return is_fused(x) ? fused(x, {}) : at::rms_norm(x, weight_.sizes(), weight_, eps_);
}

at::Tensor RmsNorm::scaled(const at::Tensor& x, const at::Tensor& scale) const {
  return is_fused(x) ? fused(x, scale) : operator()(x).mul_(scale);
}

void RmsNorm::add_to(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& gate) const {
  if (!is_fused(x) || !sum.is_contiguous()) {
    gate.defined() ? sum.addcmul_(gate, operator()(x)) : sum.add_(operator()(x));
    return;
  }
  const at::Tensor rows = x.contiguous();
  const FactorRows gates(gate);
  const int64_t size = weight_.size(0);
  const auto *weight = weight_.const_data_ptr<float>(), *from = rows.const_data_ptr<float>();
  auto* to = sum.mutable_data_ptr<float>();
  for_rows(x.numel() / size, size, [&](int64_t row) {
    kernels::add_rms_norm(from + row * size, {weight, gates.row(row), static_cast<float>(eps_)}, to + row * size, size);
  });
}

at::Tensor RmsNorm::rotated_pairs(const at::Tensor& x, const at::Tensor& freqs_cis) const {
  if (!is_fused(x)) return rotate_pairs(operator()(x), freqs_cis);
  const at::Tensor rows = x.contiguous(), turns = at::view_as_real(freqs_cis).contiguous();
  const int64_t heads = x.size(1), size = x.size(2);
  const kernels::RmsFactors factors{weight_.const_data_ptr<float>(), nullptr, static_cast<float>(eps_)};
  const auto* cos_sin = turns.const_data_ptr<float>();
  auto* numbers = rows.mutable_data_ptr<float>();
  for_rows(x.size(0) * heads, size, [&](int64_t head) {
    kernels::norm_rotate_pairs(numbers + head * size, factors, cos_sin + head / heads * size, size);
  });
  return rows;
}

at::Tensor RmsNorm::rotated_halves(const at::Tensor& x, const RopeHalves& rope) const {
  if (!is_fused(x)) return rotate_halves(operator()(x), rope);
  const at::Tensor rows = x.contiguous(), all_cos = rope.cos.contiguous(), all_sin = rope.sin.contiguous();
  const int64_t heads = x.size(1), size = x.size(2);
  const kernels::RmsFactors factors{weight_.const_data_ptr<float>(), nullptr, static_cast<float>(eps_)};
  const auto *cos = all_cos.const_data_ptr<float>(), *sin = all_sin.const_data_ptr<float>();
  auto* numbers = rows.mutable_data_ptr<float>();
  for_rows(x.size(0) * heads, size, [&](int64_t head) {
    const int64_t turn = head / heads * size;
    kernels::norm_rotate_halves(numbers + head * size, factors, cos + turn, sin + turn, size);
  });
  return rows;
}

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
  const at::Tensor up = up_(x);
  if (!is_float_on_cpu(gate)) return down_(at::silu_(gate).mul_(up));
  const int64_t size = gate.size(-1);
  auto* gates = gate.mutable_data_ptr<float>();
  const auto* ups = up.const_data_ptr<float>();
  for_rows(gate.numel() / size, size,
           [&](int64_t row) { kernels::silu_multiply(gates + row * size, ups + row * size, size); });
  return down_(gate);
}

}  // namespace llmdit::nn
