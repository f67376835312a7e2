#include "exit_codes.hpp"

#include <new>
#include <utility>

#include "llmdit/remote.hpp"
#include "setting_origins.hpp"

namespace llmdit::cli {
namespace {

constexpr ExitCode kMeanings[] = {
    {0, "ok"},
    {1, "failure"},
    {kExitUsage, "usage"},
    {3, "file not found or unreadable"},
    {4, "out of memory"},
    {5, "incompatible model"},
    {kExitRemote, "a server failed"},
    {kExitInterrupted, "interrupted"},
};

constexpr std::pair<ErrorCode, int> kExitCodes[] = {
    {ErrorCode::ok, 0},
    {ErrorCode::internal, 1},
    {ErrorCode::invalid_argument, kExitUsage},
    {ErrorCode::not_found, 3},
    {ErrorCode::out_of_memory, 4},
    {ErrorCode::unsupported, 5},
    {ErrorCode::cancelled, kExitInterrupted},
};

}  // namespace

std::span<const ExitCode> exit_codes() { return kMeanings; }

int exit_code(ErrorCode code) noexcept {
  for (const auto& [known, exit] : kExitCodes) {
    if (known == code) return exit;
  }
  return exit_code(ErrorCode::internal);
}

Failure describe_failure(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const UsageError& error) {
    return {kExitUsage, error.what(), /*is_usage=*/true};
  } catch (const RemoteError& error) {
    return {kExitRemote, error.what()};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) return {kExitInterrupted, "interrupted"};
    return {exit_code(error.code()), error.what() + origin_of(error.what())};
  } catch (const std::bad_alloc&) {
    return {exit_code(ErrorCode::out_of_memory), "out of memory"};
  } catch (const std::exception& error) {
    return {exit_code(ErrorCode::internal), error.what()};
  }
}

}  // namespace llmdit::cli
