#pragma once

#include <string_view>
#include <utility>

#include "base/fork.hpp"

namespace llmdit {

/// Rethrows the exception in flight as Error: libtorch's and the standard library's own kinds get a code and the
/// operation's name.
[[noreturn]] void rethrow_as_error(std::string_view operation);

/// Runs `work` at a public entry point, so that a caller sees Error and nothing else.
template <class Work>
auto translate_errors(std::string_view operation, Work&& work) {
  try {
    compute_alone_after_fork();
    return std::forward<Work>(work)();
  } catch (...) {
    rethrow_as_error(operation);
  }
}

}  // namespace llmdit
