#pragma once

#include "llmdit/text_generation.hpp"

#include <exception>

#include "bindings.hpp"
#include "running_call.hpp"

namespace llmdit::python {

/// A Python callable that hears of each token while a call runs without the GIL. It lets signals be handled, and keeps
/// what the callable raises. Lives on the stack of one call, made and destroyed with the GIL.
class RunningTokens {
 public:
  /// `function` is a callable or None. Raises TypeError for something else.
  explicit RunningTokens(py::object function);
  RunningTokens(const RunningTokens&) = delete;
  RunningTokens& operator=(const RunningTokens&) = delete;

  TokenCallback callback();

  /// Throws what the callable raised, if it did. With the GIL.
  void rethrow() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  bool ask(const TokenInfo& token) const;

  py::object function_;
  std::exception_ptr raised_;
  RunningCall call_;
};

/// Runs `work`, which is to use `tokens.callback()`, without the GIL.
template <class Work>
auto run_with(RunningTokens& tokens, Work&& work) {
  auto result = [&] {
    py::gil_scoped_release released;
    return std::forward<Work>(work)();
  }();
  tokens.rethrow();
  return result;
}

}  // namespace llmdit::python
