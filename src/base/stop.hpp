#pragma once

#include <stop_token>
#include <string_view>

#include "base/check.hpp"

namespace llmdit {

/// Throws cancelled when a stop was requested.
inline void check_stop(const std::stop_token& stop, std::string_view operation) {
  if (stop.stop_requested()) fail(ErrorCode::cancelled, operation, std::string_view("stopped on request"));
}

}  // namespace llmdit
