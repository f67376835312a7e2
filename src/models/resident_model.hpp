#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "nn/turns.hpp"
#include "nn/weights.hpp"

namespace llmdit::models {

/// A model with the weights it is made of: in memory for good, or in turns with others.
template <class Model, class Config>
class ResidentModel {
 public:
  struct Loaded {
    Loaded(nn::WeightStore weights, const Config& config)
        : store(std::move(weights)), model(nn::Weights(store), config) {}

    nn::WeightStore store;
    Model model;
  };

  /// Without `turns` the weights are read here and stay. With them they are only looked at, and come in when the model
  /// is first entered.
  ResidentModel(io::TensorTable table, const nn::Placement& placement, const Config& config,
                std::shared_ptr<nn::Turns> turns, nn::WeightPatches patches = {})
      : table_(std::move(table)), placement_(placement), config_(config), turns_(std::move(turns)) {
    if (turns_) {
      look_at_files();
      take_place(std::move(patches));
    } else {
      stay(std::make_shared<const Loaded>(nn::WeightStore(table_, placement_, std::move(patches)), config_));
    }
  }

  /// The same with adapters; weights without a patch are shared where they are in memory for good.
  ResidentModel patched(nn::WeightPatches patches) const {
    ResidentModel result = *this;
    if (turns_) {
      loaded();  // which tells when they are gone
      result.take_place(std::move(patches));
    } else {
      result.stay(std::make_shared<const Loaded>(nn::WeightStore(loaded()->store, std::move(patches)), config_));
    }
    return result;
  }

  /// In memory while the result lives.
  std::shared_ptr<const Loaded> enter(const std::stop_token& stop = {}) const {
    auto always = loaded();
    if (!turns_) return always;
    const nn::Turns::Model model = turns_->enter(place_, stop);
    return {model, static_cast<const Loaded*>(model.get())};
  }

  /// Frees the weights for good, in all copies; a call that is running keeps them to its end.
  void unload() const {
    std::shared_ptr<const Loaded> last;
    {
      const std::lock_guard lock(weights_->mutex);
      weights_->are_gone = true;
      last = std::exchange(weights_->always, nullptr);
    }
    if (turns_) turns_->remove(place_);
    last.reset();
    table_.checkpoint().give_back();
  }

  /// Until unload().
  bool is_loaded() const {
    const std::lock_guard lock(weights_->mutex);
    return !weights_->are_gone;
  }

  const io::TensorTable& table() const { return table_; }
  const nn::Placement& placement() const { return placement_; }
  at::ScalarType compute() const { return compute_; }
  const std::map<std::string, std::vector<int64_t>>& shapes() const { return shapes_; }
  const std::vector<std::string>& unused() const { return unused_; }

  std::map<std::string, at::Tensor> state_dict() const {
    const auto always = loaded();
    if (!turns_) return always->store.state_dict();
    return make_(std::nullopt)->store.state_dict();  // whole, and for the caller
  }

 private:
  using Make = std::function<std::shared_ptr<const Loaded>(std::optional<uint64_t> max_memory)>;

  /// What copies share.
  struct Weights {
    std::mutex mutex;
    std::shared_ptr<const Loaded> always{};  ///< null with turns
    bool are_gone = false;
  };

  std::shared_ptr<const Loaded> loaded() const {
    const std::lock_guard lock(weights_->mutex);
    check(!weights_->are_gone, "weights", "expected a model with its weights, but {} was closed; load it again",
          io::printable_path(table_.checkpoint().path()));
    return weights_->always;
  }

  void stay(std::shared_ptr<const Loaded> loaded) {
    weights_ = std::make_shared<Weights>();
    describe(loaded->store);
    weights_->always = std::move(loaded);
  }

  /// Finds what loading would find wrong.
  void look_at_files() {
    auto store = nn::WeightStore::for_inspection(table_, placement_);
    Model(nn::Weights(store), config_);
    if (!store.problems().empty())
      fail(ErrorCode::unsupported, "weights", std::string_view(store.problems().front().text));
    describe(store);
  }

  void describe(const nn::WeightStore& store) {
    shapes_ = store.shapes();
    unused_ = store.unused();
    compute_ = store.compute();
  }

  void take_place(nn::WeightPatches patches) {
    weights_ = std::make_shared<Weights>();
    make_ = [table = table_, placement = placement_, config = config_,
             patches = std::move(patches)](std::optional<uint64_t> max_memory) {
      nn::Placement bounded = placement;
      bounded.max_memory = max_memory;
      return std::make_shared<const Loaded>(nn::WeightStore(table, bounded, patches), config);
    };
    place_ = std::make_shared<nn::Turns::Place>(nn::Turns::Place{
        .make = [make = make_, bound = placement_.max_memory]() -> nn::Turns::Model { return make(bound); },
        .give_back = [files = table_.checkpoint()] { files.give_back(); }});
    turns_->add(place_);
  }

  io::TensorTable table_;
  nn::Placement placement_;
  Config config_;
  at::ScalarType compute_ = at::kFloat;
  std::map<std::string, std::vector<int64_t>> shapes_;
  std::vector<std::string> unused_;
  std::shared_ptr<Weights> weights_;
  std::shared_ptr<nn::Turns> turns_;
  std::shared_ptr<nn::Turns::Place> place_;
  Make make_;
};

}  // namespace llmdit::models
