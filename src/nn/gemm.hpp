#pragma once

#include <ATen/core/Tensor.h>

#include "nn/stored_tensor.hpp"

namespace llmdit::nn {

/// x [rows, in] W^T + bias on the CPU in float32, from the weight as it is kept: a panel at a time is widened into a
/// buffer that stays in cache, so that weights of 16 bits or of 4 cost the time of float32 and their own memory.
/// `bias` [out] may be undefined. Not differentiable.
at::Tensor gemm(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& bias);

/// The same in integers for 8-bit weights: x is rounded to 16 bits, so that the weights' own rounding is what is left
/// of error, in half the time of float32 at best. Pairs are multiplied: rows of an even length.
class IntegerGemm {
 public:
  explicit IntegerGemm(StoredTensor weight);

  static bool can_multiply(const StoredTensor& weight);
  const StoredTensor& weight() const { return weight_; }
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const;

 private:
  StoredTensor weight_;
  at::Tensor scales_;  // [groups, outputs], padded to whole panels
};

}  // namespace llmdit::nn
