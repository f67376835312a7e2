#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "console.hpp"

namespace llmdit::cli {

/// A line on stderr that shows how far a denoising loop is. Draws nothing where stderr cannot redraw a line.
class ProgressBar {
 public:
  /// Of run `run`, from 1, of `runs`; `total` steps.
  ProgressBar(const Terminal& terminal, size_t run, size_t runs, int64_t total);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(int64_t done, int64_t total);

  /// Takes the line away, for other text or for good.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Terminal terminal_;
  std::string of_runs_;
  Clock::time_point first_step_end_{};
  bool drawn_ = false;
};

/// The text of the line, at most `terminal.width` - 1 columns; `of_runs` comes before the steps, `seconds_left` below 0
/// is unknown.
std::string progress_line(const Terminal& terminal, const std::string& of_runs, int64_t done, int64_t total,
                          double seconds_left);

}  // namespace llmdit::cli
