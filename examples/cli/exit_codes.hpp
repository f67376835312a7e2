#pragma once

#include <exception>
#include <span>
#include <stdexcept>
#include <string>

#include "llmdit/error.hpp"

namespace llmdit::cli {

/// A command line that cannot be run as it stands.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr int kExitUsage = 2;
inline constexpr int kExitRemote = 6;
inline constexpr int kExitInterrupted = 130;

struct ExitCode {
  int code;
  const char* meaning;
};

/// Every exit code, for help and manual.
std::span<const ExitCode> exit_codes();

/// The exit code for what the library reports.
int exit_code(ErrorCode code) noexcept;

struct Failure {
  int exit_code = 1;
  std::string message;
  bool is_usage = false;  ///< the command's help is what helps
};

/// What to tell and which exit code to give for an exception that ends a command.
Failure describe_failure(const std::exception_ptr& exception);

}  // namespace llmdit::cli
