#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "console.hpp"

namespace llmdit::cli {

/// A line on stderr that shows how far a denoising loop is. Draws nothing where stderr cannot redraw a line.
class ProgressBar {
 public:
  ProgressBar(const Terminal& terminal, int64_t total);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(int64_t done, int64_t total);

  /// Takes the line away, for other text or for good.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Terminal terminal_;
  Clock::time_point first_step_end_{};
  bool drawn_ = false;
};

/// The text of the line, at most `terminal.width` - 1 columns; `seconds_left` below 0 is unknown.
std::string progress_line(const Terminal& terminal, int64_t done, int64_t total, double seconds_left);

}  // namespace llmdit::cli
