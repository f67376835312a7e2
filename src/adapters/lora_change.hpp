#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "adapters/lora_names.hpp"
#include "nn/weight_patch.hpp"

namespace llmdit::adapters {

/// What one entry of a LoRA file does to a weight. Factors stay as they lie in the file until they are used.
class LoraChange {
 public:
  virtual ~LoraChange() = default;

  /// Adds `scale` times the change to `sum`, where `original` is the unchanged weight: both float32 of the weight's
  /// shape.
  virtual void add_to(const at::Tensor& sum, const at::Tensor& original, double scale) const = 0;

  /// The change as a product of two small matrices, `scale` multiplied in; nothing when it is none.
  virtual std::optional<nn::LowRank> low_rank(double /*scale*/) const { return std::nullopt; }
};

/// The tensors of one target in a LoRA file by their roles.
struct LoraTensors {
  std::map<LoraRole, at::Tensor> tensors;
  std::optional<double> file_alpha;  ///< of the file's metadata, for targets without an alpha of their own
  bool is_rank_stabilized = false;   ///< alpha counts by the square root of the rank
};

/// What happens to the weight of shape `shape` that makes `part` of a target's `total` rows of output. Null when the
/// tensors hold nothing for it. Throws Error (invalid_argument) with the reason when they do not fit.
std::shared_ptr<const LoraChange> make_weight_change(const LoraTensors& tensors, const std::vector<int64_t>& shape,
                                                     const TargetRows& part, int64_t total);

/// The same for the bias, [part.rows].
std::shared_ptr<const LoraChange> make_bias_change(const LoraTensors& tensors, const std::vector<int64_t>& shape,
                                                   const TargetRows& part, int64_t total);

}  // namespace llmdit::adapters
