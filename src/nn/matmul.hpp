#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

namespace llmdit::nn {

/// A weight matrix [out, in] together with the way its storage kind is multiplied.
/// Another storage kind is another subclass and a line in make_matmul; no model changes.
class MatMul {
 public:
  virtual ~MatMul();

  /// x [rows, in] in the compute type times the matrix, plus `bias` [out] unless undefined: [rows, out].
  virtual at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const = 0;
};

/// Chooses by the weight's type and the type of computation.
std::shared_ptr<const MatMul> make_matmul(const at::Tensor& weight, at::ScalarType compute);

}  // namespace llmdit::nn
