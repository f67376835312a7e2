#include "remote/host_addresses.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace llmdit::remote {
namespace {

HostAddresses look_up(const std::string& host, int flags) {
  HostAddresses addresses;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    addresses.problem = gai_strerror(error);
    return addresses;
  }
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    if (std::ranges::find(addresses.numeric, text.data()) == addresses.numeric.end())
      addresses.numeric.emplace_back(text.data());
  }
  freeaddrinfo(found);
  return addresses;
}

struct LookUp {
  std::mutex mutex;
  std::condition_variable_any finished;
  bool is_done = false;
  HostAddresses addresses;
};

}  // namespace

HostAddresses resolve_host(const std::string& host, std::chrono::steady_clock::time_point deadline,
                           const std::stop_token& stop) {
  if (HostAddresses numeric = look_up(host, AI_NUMERICHOST); !numeric.numeric.empty()) return numeric;
  // The system's look-up cannot be interrupted, and may take half a minute; its thread is left to itself then.
  const auto state = std::make_shared<LookUp>();
  std::thread([state, host] {
    HostAddresses addresses = look_up(host, AI_ADDRCONFIG);
    const std::lock_guard lock(state->mutex);
    state->addresses = std::move(addresses);
    state->is_done = true;
    state->finished.notify_all();
  }).detach();
  std::unique_lock lock(state->mutex);
  const bool is_done = state->finished.wait_until(lock, stop, deadline, [&] { return state->is_done; });
  return is_done ? state->addresses : HostAddresses{};
}

}  // namespace llmdit::remote
