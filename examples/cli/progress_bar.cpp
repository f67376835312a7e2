#include "progress_bar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace llmdit::cli {
namespace {

constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kReset = "\x1b[0m";
constexpr int64_t kWidestBar = 40;    // columns; more says no more
constexpr int64_t kNarrowestBar = 5;  // below this the numbers stand alone

std::string duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string progress_line(const Terminal& terminal, const std::string& of_runs, int64_t done, int64_t total,
                          double seconds_left) {
  total = std::max<int64_t>(total, 1);
  done = std::clamp<int64_t>(done, 0, total);
  std::string numbers = fmt::format("{}step {}/{}", of_runs, done, total);
  if (seconds_left >= 0) numbers += fmt::format(", {} left", duration(seconds_left));

  const int64_t room = terminal.width - 1;
  const int64_t bar = std::min(kWidestBar, room - static_cast<int64_t>(numbers.size()) - 3);
  if (bar < kNarrowestBar) return numbers.substr(0, static_cast<size_t>(std::max<int64_t>(room, 0)));

  const auto filled = static_cast<size_t>(bar * done / total);
  const std::string full(filled, '#');
  const std::string empty(static_cast<size_t>(bar) - filled, '.');
  return fmt::format("[{}{}{}{}] {}", terminal.color ? kGreen : "", full, terminal.color ? kReset : "", empty, numbers);
}

ProgressBar::ProgressBar(const Terminal& terminal, size_t run, size_t runs, int64_t total) : terminal_(terminal) {
  if (runs > 1) of_runs_ = fmt::format("run {}/{}, ", run, runs);
  update(0, total);
}

void ProgressBar::update(int64_t done, int64_t total) {
  if (!terminal_.interactive) return;
  // The first step also pays for warming up, so it does not count; before the second ends, nothing is known.
  double seconds_left = -1;
  if (done == 1) first_step_end_ = Clock::now();
  if (done > 1) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - first_step_end_).count();
    seconds_left = elapsed / static_cast<double>(done - 1) * static_cast<double>(total - done);
  }
  print(fmt::format("{}{}", kClearLine, progress_line(terminal_, of_runs_, done, total, seconds_left)));
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) print(kClearLine);
  drawn_ = false;
}

}  // namespace llmdit::cli
