#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "nn/weights.hpp"

namespace llmdit::nn {

/// A weight matrix [out, in] together with the way its storage kind is multiplied.
/// Another storage kind is another subclass and a line in make_matmul; no model changes.
class MatMul {
 public:
  virtual ~MatMul();

  /// x [rows, in] in the compute type times the matrix, plus `bias` [out] unless undefined: [rows, out].
  virtual at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const = 0;
};

/// The product with the `weight` of a scope: finds out how it is stored, and what goes with it, and chooses.
std::shared_ptr<const MatMul> make_matmul(const Weights& weights, int64_t in_features, int64_t out_features);

/// The same with a matrix that is at hand already.
std::shared_ptr<const MatMul> make_matmul(StoredTensor weight, at::ScalarType compute);

}  // namespace llmdit::nn
