#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/checkpoint.hpp"
#include "nn/placement.hpp"

namespace llmdit::nn {

/// The tensors of one component, handed out by name while its model is being built.
/// Layers are made from a Weights, which is a scope in the store, and find their own tensors under the published names.
class WeightStore {
 public:
  WeightStore(io::Checkpoint checkpoint, Placement placement);

  const io::Checkpoint& checkpoint() const { return checkpoint_; }
  const Placement& placement() const { return placement_; }
  /// The type of computation: one for the whole component, told by its largest tensor.
  at::ScalarType compute() const { return compute_; }

  /// The tensor as it is kept: a view of the mapped file unless type or device ask for a copy.
  at::Tensor get(const std::string& name, at::IntArrayRef shape);
  /// The tensor in the type of computation; for those that are small or read element by element.
  at::Tensor get_compute(const std::string& name, at::IntArrayRef shape,
                         at::MemoryFormat format = at::MemoryFormat::Contiguous);

  /// What has been handed out, under the names asked for.
  const std::map<std::string, at::Tensor>& given() const { return given_; }
  /// Names never asked for, less those that published files are known to carry in vain.
  std::vector<std::string> unused() const;

 private:
  at::Tensor load(const std::string& name, at::IntArrayRef shape) const;

  io::Checkpoint checkpoint_;
  Placement placement_;
  at::ScalarType compute_;
  std::map<std::string, at::Tensor> given_;
};

class Weights {
 public:
  explicit Weights(WeightStore& store, std::string prefix = "") : store_(&store), prefix_(std::move(prefix)) {}

  /// The weights of a part: `scope("layers").scope(3)` asks for "layers.3....".
  Weights scope(std::string_view part) const;
  Weights scope(int64_t index) const { return scope(std::to_string(index)); }

  bool has(std::string_view name) const;
  at::Tensor get(std::string_view name, at::IntArrayRef shape) const;
  at::Tensor get_compute(std::string_view name, at::IntArrayRef shape,
                         at::MemoryFormat format = at::MemoryFormat::Contiguous) const;

  at::ScalarType compute() const { return store_->compute(); }

 private:
  std::string full_name(std::string_view name) const;

  WeightStore* store_;
  std::string prefix_;  // empty, or ends in a dot
};

}  // namespace llmdit::nn
