#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include "capi/llmdit.h"
#include "llmdit/error.hpp"

namespace llmdit::capi {

/// Keeps the exception in flight as this thread's last error and tells its status.
llmdit_status record_exception() noexcept;

/// Keeps `message` as this thread's last error.
void record_error(std::string_view message) noexcept;

/// The one way through the boundary: no exception passes it.
template <class Work>
llmdit_status guarded(Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return LLMDIT_OK;
  } catch (...) {
    return record_exception();
  }
}

/// guarded for accessors that return a value, which is `fallback` for a bad handle.
template <class Value, class Work>
Value guarded_value(Value fallback, Work&& work) noexcept {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    record_exception();
    return fallback;
  }
}

/// Throws invalid_argument "[operation] ..." unless `condition` holds.
template <class... Args>
void check(bool condition, std::string_view operation, fmt::format_string<Args...> format, Args&&... args) {
  if (condition) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("[{}] {}", operation, fmt::format(format, std::forward<Args>(args)...)));
}

/// Where an output goes; throws for NULL, and makes a handle's place NULL until there is one.
template <class T>
T& output(T* place, std::string_view operation) {
  check(place != nullptr, operation, "expected a place for the output, got NULL");
  if constexpr (std::is_pointer_v<T>) *place = nullptr;
  return *place;
}

/// Fills a struct of the caller's own version, whose struct_size says how far it reaches.
template <class Struct>
void copy_struct(Struct* place, Struct full, std::string_view operation) {
  check(place != nullptr, operation, "expected a place for the output, got NULL");
  const size_t size = place->struct_size;
  check(size > sizeof(uint32_t) && size <= (size_t{1} << 16), operation,
        "expected struct_size to be the struct's size, got {}", size);
  full.struct_size = place->struct_size;
  std::memcpy(place, &full, std::min(size, sizeof(full)));
}

}  // namespace llmdit::capi
