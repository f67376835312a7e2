#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "llmdit/export.hpp"

namespace llmdit {

/// What went wrong, as far as a caller can act on it. The values are pinned: they are the status codes of the C API.
enum class ErrorCode : int {
  ok = 0,
  invalid_argument = 1,  ///< a value the caller passed: size, range, shape, type
  not_found = 2,         ///< a file, folder or name that is missing or cannot be read or written
  unsupported = 3,       ///< a file or model that is damaged, incompatible, or of a kind that is not handled
  out_of_memory = 4,
  cancelled = 5,
  internal = 6,
};

/// The one exception type of the library. The text reads "[operation] what was expected, what came, what to do".
class LLMDIT_EXPORT Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ~Error() override;

  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// The code's name, e.g. "invalid_argument".
LLMDIT_EXPORT std::string_view error_code_name(ErrorCode code) noexcept;

}  // namespace llmdit
