#pragma once

#include <csetjmp>
#include <cstring>

namespace llmdit::io {

// Note [Errors of C codecs]
// libpng and libjpeg leave a failing call by longjmp, which runs no destructors. So a codec's calls are made in steps
// of run_guarded, whose lambdas capture by reference and own nothing; what owns memory lives outside of them.

/// What a C library said as it failed, and where it goes on.
struct CodecFailure {
  std::jmp_buf jump;
  char message[256] = "";

  [[noreturn]] void raise(const char* text) noexcept {
    if (text != message) std::strncpy(message, text, sizeof(message) - 1);
    std::longjmp(jump, 1);
  }
};

/// Whether `calls` came to their end.
template <class Calls>
[[nodiscard]] bool run_guarded(CodecFailure& failure, const Calls& calls) {
  if (setjmp(failure.jump) != 0) return false;
  calls();
  return true;
}

}  // namespace llmdit::io
