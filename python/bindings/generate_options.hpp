#pragma once

#include "llmdit/generate_options.hpp"

#include "bindings.hpp"
#include "running_call.hpp"

namespace llmdit::python {

/// Options whose step callback may be called without the GIL: it takes it, lets signals be handled after each step, and
/// keeps what a Python callback raises. Lives on the stack of one call.
class RunningOptions {
 public:
  explicit RunningOptions(const GenerateOptions& options);
  RunningOptions(const RunningOptions&) = delete;
  RunningOptions& operator=(const RunningOptions&) = delete;

  const GenerateOptions& options() const { return options_; }

  /// Throws what the callback raised, if it did. With the GIL.
  void rethrow() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  bool after_step(const StepCallback& user, const StepInfo& info);

  GenerateOptions options_;
  std::exception_ptr raised_;
  RunningCall call_;
};

}  // namespace llmdit::python
