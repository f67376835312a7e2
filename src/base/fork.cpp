#include "base/fork.hpp"

#include <ATen/Parallel.h>
#include <pthread.h>

#include <atomic>

namespace llmdit {
namespace {

std::atomic<bool> forked{false};

[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });

}  // namespace

void compute_alone_after_fork() {
  if (forked.load(std::memory_order_relaxed) && forked.exchange(false) && at::get_num_threads() > 1)
    at::set_num_threads(1);
}

}  // namespace llmdit
