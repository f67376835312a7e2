#include "nn/native_matmul.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "base/cpu_kind.hpp"
#include "kernels/widen.hpp"
#include "nn/gemm.hpp"

namespace llmdit::nn {
namespace {

constexpr int64_t least_rows = 32;          // of x: with fewer, reading the weights is most of the time
constexpr int64_t least_numbers = 1 << 15;  // numbers for which another thread pays

bool is_bfloat16(const StoredTensor& weight) { return weight.is_plain() && weight.data.scalar_type() == at::kBFloat16; }

bool is_int8_by_rows(const StoredTensor& weight) {
  return weight.as_integers && !weight.block && weight.data.scalar_type() == at::kChar && weight.scale.defined() &&
         (weight.scale.numel() == 1 || weight.scale.numel() == weight.shape[0]);
}

class NativeMatMul : public MatMul {
 public:
  explicit NativeMatMul(const StoredTensor& weight) : few_rows_(make_cpu_matmul(weight)) {}

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const override {
    if (x.size(0) < least_rows) return (*few_rows_)(x, bias);
    at::Tensor out = multiply(x);
    return bias.defined() ? out.add_(bias) : out;
  }

 private:
  /// float32 rows to float32 rows.
  virtual at::Tensor multiply(const at::Tensor& x) const = 0;

  std::shared_ptr<const MatMul> few_rows_;
};

class BFloat16MatMul final : public NativeMatMul {
 public:
  explicit BFloat16MatMul(const StoredTensor& weight) : NativeMatMul(weight), weight_(weight.data) {}

 private:
  at::Tensor multiply(const at::Tensor& x) const override {
    return at::linear(x.to(at::kBFloat16), weight_).to(at::kFloat);
  }

  at::Tensor weight_;
};

class Int8MatMul final : public NativeMatMul {
 public:
  explicit Int8MatMul(const StoredTensor& weight)
      : NativeMatMul(weight),
        weight_(weight.data.t()),
        scales_(weight.scale.reshape({-1}).expand({weight.shape[0]}).contiguous()) {}

 private:
  at::Tensor multiply(const at::Tensor& x) const override {
    const at::Tensor rows = x.contiguous(), rounded = at::empty(rows.sizes(), rows.options().dtype(at::kChar));
    const int64_t columns = rows.size(1);
    at::Tensor row_scales = at::empty({rows.size(0), 1}, rows.options());
    const auto* from = rows.const_data_ptr<float>();
    auto* to = rounded.mutable_data_ptr<int8_t>();
    auto* factors = row_scales.mutable_data_ptr<float>();
    at::parallel_for(0, rows.size(0), std::max<int64_t>(1, least_numbers / columns), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        factors[row] = kernels::round_to_int8(from + row * columns, to + row * columns, columns);
    });
    return at::_int_mm(rounded, weight_).to(at::kFloat).mul_(scales_).mul_(row_scales);
  }

  at::Tensor weight_;  // [in, out], a view
  at::Tensor scales_;  // [out]
};

}  // namespace

bool has_native_product(const StoredTensor& weight) {
  if (weight.shape.size() != 2 || weight.shape[1] < least_native_columns()) return false;
  return (is_bfloat16(weight) && is_bfloat16_native()) || (is_int8_by_rows(weight) && is_int8_native());
}

std::shared_ptr<const MatMul> make_native_matmul(const StoredTensor& weight) {
  if (is_bfloat16(weight)) return std::make_shared<BFloat16MatMul>(weight);
  return std::make_shared<Int8MatMul>(weight);
}

}  // namespace llmdit::nn
