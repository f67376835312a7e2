#include "running_call.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace llmdit::python {
namespace {

constexpr std::chrono::seconds patience{10};  // for one step of a large model

struct Calls {
  std::mutex mutex;
  std::condition_variable none;
  int running = 0;
  bool stopping = false;
};

Calls& calls() {
  static auto* all = new Calls;  // outlives every thread
  return *all;
}

void stop_all() {
  py::gil_scoped_release released;
  std::unique_lock lock(calls().mutex);
  calls().stopping = true;
  calls().none.wait_for(lock, patience, [] { return calls().running == 0; });
}

}  // namespace

RunningCall::RunningCall() {
  const std::lock_guard lock(calls().mutex);
  ++calls().running;
}

RunningCall::~RunningCall() {
  const std::lock_guard lock(calls().mutex);
  if (--calls().running == 0) calls().none.notify_all();
}

bool RunningCall::stopping() {
  const std::lock_guard lock(calls().mutex);
  return calls().stopping;
}

void stop_calls_at_exit() { py::module_::import("atexit").attr("register")(py::cpp_function(&stop_all)); }

}  // namespace llmdit::python
