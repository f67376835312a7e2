#include "llmdit/error.hpp"

#include "base/check.hpp"
#include "base/enum_table.hpp"

namespace llmdit {

Error::~Error() = default;

template <>
struct EnumTable<ErrorCode> {
  static constexpr EnumName<ErrorCode> names[] = {
      {ErrorCode::ok, "ok"},
      {ErrorCode::invalid_argument, "invalid_argument"},
      {ErrorCode::not_found, "not_found"},
      {ErrorCode::unsupported, "unsupported"},
      {ErrorCode::out_of_memory, "out_of_memory"},
      {ErrorCode::cancelled, "cancelled"},
      {ErrorCode::internal, "internal"},
  };
};

std::string_view error_code_name(ErrorCode code) noexcept { return enum_name(code); }

void fail(ErrorCode code, std::string_view operation, std::string_view message) {
  throw Error(code, fmt::format("[{}] {}", operation, message));
}

}  // namespace llmdit
