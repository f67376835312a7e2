#include "remote/watchdog.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <utility>

namespace llmdit::remote {

Watchdog::Watchdog(std::chrono::steady_clock::time_point deadline, std::stop_token stop)
    : thread_([this, deadline, stop = std::move(stop)] { wait(deadline, stop); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
  release();
}

void Watchdog::watch(int socket) {
  const std::lock_guard lock(mutex_);
  release();
  socket_ = fcntl(socket, F_DUPFD_CLOEXEC, 0);  // a child of this process must not inherit it
  if (has_fired_) shutdown(socket_, SHUT_RDWR);
}

bool Watchdog::has_fired() const {
  const std::lock_guard lock(mutex_);
  return has_fired_;
}

void Watchdog::wait(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, deadline, [this] { return is_over_; });
  if (is_over_) return;
  has_fired_ = true;
  shutdown(socket_, SHUT_RDWR);
}

void Watchdog::release() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

SigpipeBlock::SigpipeBlock() {
  sigset_t pending, pipe;
  sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE) == 1;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &old_mask_);
}

SigpipeBlock::~SigpipeBlock() {
  sigset_t pending;
  sigpending(&pending);
  if (!was_pending_ && sigismember(&pending, SIGPIPE) == 1) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    constexpr timespec at_once{};
    sigtimedwait(&pipe, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

}  // namespace llmdit::remote
