#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

namespace llmdit::remote {

struct HostAddresses {
  std::vector<std::string> numeric;  ///< in the system's order of preference
  std::string problem;               ///< the system's words where there are none; empty after a stop or the deadline
};

/// Looks a host name up; returns empty-handed on a stop and at the deadline.
HostAddresses resolve_host(const std::string& host, std::chrono::steady_clock::time_point deadline,
                           const std::stop_token& stop);

}  // namespace llmdit::remote
