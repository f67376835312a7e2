#pragma once

#include <functional>
#include <stop_token>
#include <thread>

#include <signal.h>

namespace llmdit::cli {

/// While it lives, the first Ctrl-C asks for a stop and the second ends the process at once with exit code 130.
/// Make it before any other thread starts, and only one.
class InterruptGuard {
 public:
  /// `on_first` runs on a thread of the guard's own when the first Ctrl-C comes.
  explicit InterruptGuard(std::function<void()> on_first);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void wait_for_signals();

  std::function<void()> on_first_;
  std::stop_source stop_;
  std::stop_source finished_;
  sigset_t signals_{};
  sigset_t previous_mask_{};
  std::thread thread_;
};

}  // namespace llmdit::cli
