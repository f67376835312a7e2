#pragma once

#include "bindings.hpp"

namespace llmdit::python {

/// A call that runs without the GIL and asks stopping() at every step. When the interpreter ends, those of daemon
/// threads are stopped and waited for: a thread that takes the GIL afterwards would be unwound through C++ and end the
/// process by an abort.
class RunningCall {
 public:
  RunningCall();
  ~RunningCall();
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

  static bool stopping();
};

/// Has the interpreter stop all calls before it ends.
void stop_calls_at_exit();

}  // namespace llmdit::python
