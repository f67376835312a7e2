#pragma once

#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace llmdit::remote {

/// Cuts a connection at a deadline or on a stop, whatever its thread waits for: connecting, a handshake, a byte.
class Watchdog {
 public:
  Watchdog(std::chrono::steady_clock::time_point deadline, std::stop_token stop);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Watches this socket from now on, which may be closed at any time.
  void watch(int socket);

  /// Whether the connection was cut.
  bool has_fired() const;

 private:
  void wait(std::chrono::steady_clock::time_point deadline, const std::stop_token& stop);
  void release();

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int socket_ = -1;  // our own handle of it: shutting a closed one down would hit whatever has its number by then
  bool is_over_ = false;
  bool has_fired_ = false;
  std::thread thread_;
};

/// While it lives, a peer that went away is an error of the write and not the end of the process.
class SigpipeBlock {
 public:
  SigpipeBlock();
  ~SigpipeBlock();
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;

 private:
  bool was_pending_ = false;
  sigset_t old_mask_{};
};

}  // namespace llmdit::remote
