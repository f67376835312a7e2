#include "interrupt.hpp"

#include <unistd.h>

#include <utility>

#include "exit_codes.hpp"

namespace llmdit::cli {
namespace {

/// Shells start background jobs with SIGINT ignored; that is to stay so.
bool is_ignored(int signal) {
  struct sigaction current{};
  return sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

}  // namespace

// Note [Signals on a thread]
// A signal handler may hardly call anything, a stop source least of all. So SIGINT is blocked here, which threads
// started later inherit, and one thread takes it with sigwait and is then free to do what it likes.
InterruptGuard::InterruptGuard(std::function<void()> on_first) : on_first_(std::move(on_first)) {
  if (is_ignored(SIGINT)) return;
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, &previous_mask_);
  thread_ = std::thread([this] { wait_for_signals(); });
}

InterruptGuard::~InterruptGuard() {
  if (!thread_.joinable()) return;
  finished_.request_stop();
  pthread_kill(thread_.native_handle(), SIGINT);  // wakes it; the mask keeps this from doing anything else
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

void InterruptGuard::wait_for_signals() {
  for (int signal = 0; sigwait(&signals_, &signal) == 0 && !finished_.stop_requested();) {
    if (stop_.stop_requested()) _exit(kExitInterrupted);
    stop_.request_stop();
    on_first_();
  }
}

}  // namespace llmdit::cli
