#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <utility>

#include "llmdit/error.hpp"

namespace llmdit {

/// Throws Error with the text "[operation] message".
[[noreturn]] void fail(ErrorCode code, std::string_view operation, std::string_view message);

template <class... Args>
[[noreturn]] void fail(ErrorCode code, std::string_view operation, fmt::format_string<Args...> format, Args&&... args) {
  fail(code, operation, std::string_view(fmt::format(format, std::forward<Args>(args)...)));
}

/// Fails with invalid_argument unless `condition` holds.
template <class... Args>
void check(bool condition, std::string_view operation, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(ErrorCode::invalid_argument, operation, format, std::forward<Args>(args)...);
}

}  // namespace llmdit
