#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace llmdit::nn {

/// The product up * down: a matrix of low rank.
struct LowRank {
  at::Tensor up;    ///< [out, rank] float32, scales multiplied in
  at::Tensor down;  ///< [rank, in] float32
};

/// What adapters do to one weight.
class WeightPatch {
 public:
  virtual ~WeightPatch() = default;

  /// The changed weight, a new float32 tensor; `weight` is the original in float32.
  virtual at::Tensor merge(const at::Tensor& weight) const = 0;

  /// The whole change as a product of two small matrices, for weights that must stay as they lie in a file; nothing
  /// when it is no such product.
  virtual std::optional<LowRank> low_rank() const = 0;
};

/// Under the full published names of the weights, e.g. "layers.0.attention.to_q.weight".
using WeightPatches = std::map<std::string, std::shared_ptr<const WeightPatch>>;

}  // namespace llmdit::nn
