#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "llmdit/load_options.hpp"

namespace llmdit::nn {

class Turns;

/// For a model that is loaded alone: what max_memory needs; null without it.
std::shared_ptr<Turns> turns_of(const LoadOptions& options);

/// Models that take turns in memory: one that is asked for comes in after the others have left. A model in use does not
/// leave; other threads wait for it, and a call out of its use, as a step's callback makes one, finds its model beside
/// it.
class Turns : public std::enable_shared_from_this<Turns> {
 public:
  using Model = std::shared_ptr<const void>;

  /// One of the models.
  struct Place {
    std::function<Model()> make;
    std::function<void()> give_back;  ///< called after it has left
    Model model{};                    ///< null while it is not in memory
    int64_t users = 0;
    bool leaves_for_good = false;
  };

  void add(const std::shared_ptr<Place>& place);

  /// The model leaves for good, at once or with its last user; it is not asked for again.
  void remove(const std::shared_ptr<Place>& place);

  /// The model, which stays in memory for as long as the result lives, on the thread that asked. Throws cancelled after
  /// a stop.
  Model enter(const std::shared_ptr<Place>& place, const std::stop_token& stop);

  /// All that are not in use leave.
  void clear();

 private:
  void leave(Place& place);
  bool others_are_idle(const Place& place) const;
  static void empty(Place& place);
  void clear_but(const Place* place);

  std::mutex mutex_;
  std::condition_variable_any left_;
  std::vector<std::weak_ptr<Place>> places_;
};

}  // namespace llmdit::nn
