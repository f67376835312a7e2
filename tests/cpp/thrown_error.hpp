#pragma once

#include <exception>
#include <string>

#include "llmdit/error.hpp"

namespace llmdit::test {

struct ThrownError {
  ErrorCode code = ErrorCode::ok;
  std::string text;

  bool says(std::string_view part) const { return text.find(part) != std::string::npos; }
};

/// The library's error that `call` throws; `ok` when it throws none. Other exceptions pass, and fail the test.
template <class Call>
ThrownError thrown_by(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

}  // namespace llmdit::test
