#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "nn/weights.hpp"

namespace llmdit::nn {

/// The blocks of a model in their order. Those that max_memory leaves no room for are made anew for each use, from the
/// files, and their memory is given back after it.
template <class Block>
class BlockList {
 public:
  /// A block while it is in use.
  class Use {
   public:
    Use(std::shared_ptr<const Block> block, const Weights* streamed) : block_(std::move(block)), streamed_(streamed) {}
    ~Use() { leave(); }
    Use(Use&& other) noexcept : block_(std::move(other.block_)), streamed_(std::exchange(other.streamed_, nullptr)) {}
    Use& operator=(Use&& other) noexcept {
      leave();
      block_ = std::move(other.block_);
      streamed_ = std::exchange(other.streamed_, nullptr);
      return *this;
    }
    const Block& operator*() const { return *block_; }

   private:
    void leave() {
      block_.reset();
      if (streamed_) streamed_->give_back();
    }

    std::shared_ptr<const Block> block_;
    const Weights* streamed_;  // null for a block that stays
  };

  class Iterator {
   public:
    Iterator(const BlockList& list, size_t index) : list_(&list), index_(index) {}
    const Block& operator*() {
      if (!use_) use_.emplace(list_->use(index_));
      return **use_;
    }
    Iterator& operator++() {
      use_.reset();
      ++index_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const BlockList* list_;
    size_t index_;
    std::optional<Use> use_;
  };

  /// `make` builds the block on the weights it is given, whenever it is needed.
  void add(const Weights& weights, std::function<std::shared_ptr<const Block>(const Weights&)> make) {
    const bool stays = weights.is_kept();
    auto block = stays ? make(weights) : nullptr;
    slots_.push_back({weights.passing(), std::move(make), std::move(block)});
  }

  size_t size() const { return slots_.size(); }
  Use use(size_t index) const {
    const Slot& slot = slots_.at(index);
    return slot.block ? Use(slot.block, nullptr) : Use(slot.make(slot.weights), &slot.weights);
  }

  Iterator begin() const { return Iterator(*this, 0); }
  Iterator end() const { return Iterator(*this, slots_.size()); }

 private:
  struct Slot {
    Weights weights;
    std::function<std::shared_ptr<const Block>(const Weights&)> make;
    std::shared_ptr<const Block> block;  // null: made for each use
  };

  std::vector<Slot> slots_;
};

}  // namespace llmdit::nn
