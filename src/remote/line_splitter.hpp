#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace llmdit::remote {

/// Takes one line of an answer, without its end; true stops the reading.
using LineSink = std::function<bool(std::string_view line)>;

/// Passes on the whole lines of what has come so far, and keeps the rest.
class LineSplitter {
 public:
  explicit LineSplitter(const LineSink& sink) : sink_(sink) {}

  bool take(std::string_view bytes) {
    const size_t known = rest_.size();  // without an end of a line, as it was searched before
    rest_ += bytes;
    size_t start = 0;
    for (size_t end = rest_.find('\n', known); end != std::string::npos; end = rest_.find('\n', start)) {
      if (pass(std::string_view(rest_).substr(start, end - start))) return true;
      start = end + 1;
    }
    rest_.erase(0, start);
    return false;
  }

  /// The last line may have no end.
  void finish() {
    if (!rest_.empty()) pass(rest_);
  }

  /// Forgets what has come of a line.
  void restart() { rest_.clear(); }

  bool has_passed() const { return has_passed_; }

 private:
  bool pass(std::string_view line) {
    has_passed_ = true;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return sink_(line);
  }

  const LineSink& sink_;
  std::string rest_;
  bool has_passed_ = false;
};

}  // namespace llmdit::remote
