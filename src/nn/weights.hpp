#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_table.hpp"
#include "nn/placement.hpp"
#include "nn/stored_tensor.hpp"
#include "nn/weight_patch.hpp"

namespace llmdit::nn {

/// A tensor the model asked for and the files do not give.
struct WeightProblem {
  std::string name;
  std::string text;  ///< what was expected and found
};

/// What a tensor takes, told before it is read.
struct KeptBytes {
  uint64_t file = 0;     ///< where it lies
  uint64_t mapped = 0;   ///< as a view of the file
  uint64_t copied = 0;   ///< in memory of its own
  uint64_t numbers = 0;  ///< how many it has

  uint64_t total() const { return mapped + copied; }
  KeptBytes& operator+=(const KeptBytes& other);
};

/// The tensors of one component, handed out by name while its model is being built.
/// Layers are made from a Weights, which is a scope in the store, and find their own tensors under the published names.
class WeightStore {
 public:
  WeightStore(io::TensorTable table, Placement placement);

  /// The same files with adapters on top: weights without a patch are shared with `base`, the others are made anew from
  /// the files, so that nothing has to be kept for taking adapters off again.
  WeightStore(const WeightStore& base, WeightPatches patches);
  WeightStore(io::TensorTable table, Placement placement, WeightPatches patches);

  /// A store that hands out tensors without data and notes what is wrong instead of throwing: for looking into files.
  static WeightStore for_inspection(io::TensorTable table, Placement placement = {});

  const io::TensorTable& table() const { return table_; }
  /// The type of computation: one for the whole component, told by its largest tensor.
  at::ScalarType compute() const { return compute_; }
  const Placement& placement() const { return placement_; }

  /// What get() would give, without taking note of it.
  StoredTensor peek(const std::string& name, at::IntArrayRef shape);
  /// The tensor as it is kept: a view of the mapped file unless type or device ask for a copy.
  StoredTensor get(const std::string& name, at::IntArrayRef shape);
  /// The tensor in the type of computation; for those that are small or read element by element.
  at::Tensor get_compute(const std::string& name, at::IntArrayRef shape,
                         at::MemoryFormat format = at::MemoryFormat::Contiguous);

  // For blocks that come and go; see BlockList.
  /// The same as get and get_compute, without taking note of it.
  StoredTensor fetch(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor fetch_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) const;
  /// Whether the block with this prefix stays in memory within max_memory.
  bool keeps(const std::string& prefix) const { return purpose_ == Purpose::inspection || !streamed_.contains(prefix); }
  /// Takes the mapped pages of a block, or of all files, out of memory.
  void give_back(std::string_view prefix) const;

  /// What the tensors that were asked for take; of a store for inspection.
  const std::map<std::string, KeptBytes>& kept() const { return kept_; }
  /// The prefixes of the blocks that do not stay.
  const std::set<std::string, std::less<>>& streamed() const { return streamed_; }

  /// What has been handed out, under the names asked for.
  const std::map<std::string, StoredTensor>& given() const { return given_; }
  std::map<std::string, std::vector<int64_t>> shapes() const;
  /// The same as plain numbers: as kept, or float32 where they are quantised.
  std::map<std::string, at::Tensor> state_dict() const;
  /// Tensors of the component that were never asked for: those no rule knows, and those beyond the model's size.
  std::vector<std::string> unused() const;
  /// Of a store for inspection.
  const std::vector<WeightProblem>& problems() const { return problems_; }

 private:
  enum class Purpose { load, inspection };

  /// How a tensor is kept.
  struct Treatment {
    bool is_meant = false;         ///< by the quantisation that is asked for
    bool quantizes = false;        ///< it becomes quantised here
    bool stays_quantized = false;  ///< it is and stays as in the file
    at::ScalarType type;           ///< of its numbers, where it does neither
  };

  WeightStore(io::TensorTable table, Placement placement, Purpose purpose);

  std::optional<std::string> problem_of(const std::string& name, at::IntArrayRef shape) const;
  const io::TensorTable::Place* find_place(const std::string& name, at::IntArrayRef shape);
  Treatment treatment(const std::string& name, const StoredTensor& stored) const;
  StoredTensor described(const io::TensorTable::Place& place, at::IntArrayRef shape) const;
  KeptBytes predict(const std::string& name, at::IntArrayRef shape) const;
  KeptBytes predict_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) const;
  void choose_streamed();
  at::Tensor computed(const std::string& name, const StoredTensor& stored, at::MemoryFormat format) const;
  StoredTensor read(const std::string& name, const io::TensorTable::Place& place, at::IntArrayRef shape) const;
  StoredTensor convert(const std::string& name, StoredTensor stored) const;
  void report(const std::string& name, std::string text);

  io::TensorTable table_;
  Placement placement_;
  Purpose purpose_;
  at::ScalarType compute_;
  WeightPatches patches_;
  std::map<std::string, StoredTensor> shared_;  // of the store this one is made from
  std::map<std::string, StoredTensor> given_;
  std::map<std::string, KeptBytes> kept_;
  std::set<std::string, std::less<>> streamed_;
  std::vector<WeightProblem> problems_;
};

class Weights {
 public:
  explicit Weights(WeightStore& store, std::string prefix = "")
      : store_(&store), recorder_(&store), prefix_(std::move(prefix)) {}

  /// The weights of a part: `scope("layers").scope(3)` asks for "layers.3....".
  Weights scope(std::string_view part) const;
  Weights scope(int64_t index) const { return scope(std::to_string(index)); }

  /// The same tensors, made for this use alone.
  Weights passing() const;
  /// Whether this block stays in memory; see BlockList.
  bool is_kept() const { return store_->keeps(prefix_); }
  void give_back() const { store_->give_back(prefix_); }

  bool has(std::string_view name) const;
  StoredTensor get(std::string_view name, at::IntArrayRef shape) const;
  at::Tensor get_compute(std::string_view name, at::IntArrayRef shape,
                         at::MemoryFormat format = at::MemoryFormat::Contiguous) const;

  at::ScalarType compute() const { return store_->compute(); }
  /// The kernel of attention that the model has been loaded for.
  AttentionBackend attention() const { return store_->placement().attention; }

 private:
  std::string full_name(std::string_view name) const;

  const WeightStore* store_;
  WeightStore* recorder_;  // the same; null where nothing is to be noted
  std::string prefix_;     // empty, or ends in a dot
};

}  // namespace llmdit::nn
