#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capi/handles.hpp"

namespace llmdit::capi {

// What callers pass, taken as the library has it. Each throws invalid_argument for NULL where it makes no sense.

/// UTF-8 text of `length` bytes, which may be LLMDIT_NUL_TERMINATED. Throws for lengths no text has.
std::string_view read_text(const char* text, size_t length, std::string_view operation);

/// NULL would be another path for the library: the empty one.
std::filesystem::path read_path(const char* path, std::string_view operation);

/// The texts of a list, each NUL-terminated. Throws for NULL among them.
std::vector<std::string> read_texts(const llmdit_texts& texts, std::string_view operation);
std::vector<std::string> read_texts(const llmdit_texts* texts, std::string_view operation);

/// A list of numbers where they lie.
template <class Number>
std::span<const Number> read_list(const Number* values, size_t count, std::string_view operation) {
  check(values != nullptr || count == 0, operation, "expected {} numbers, got NULL", count);
  return {values, count};
}

at::Tensor read_tensor(const llmdit_tensor* tensor, std::string_view operation);
std::vector<at::Tensor> read_tensors(const llmdit_tensor* const* tensors, size_t count, std::string_view operation);

/// A bool, into which other languages may have written another number than 0 and 1.
bool read_bool(const bool& value, std::string_view name);

/// The row of `table` whose `value` came for an enumeration. Throws for a number that none has: C lets any through.
template <class Row, size_t count, class Enum>
const Row& read_enum(const Row (&table)[count], Enum value, std::string_view name, std::string_view operation) {
  for (const Row& row : table) {
    if (row.value == value) return row;
  }
  std::string names;
  for (const Row& row : table)
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", row.name, static_cast<int>(row.value));
  throw Error(ErrorCode::invalid_argument,
              fmt::format("[{}] expected {} to be one of {}, got {}", operation, name, names, static_cast<int>(value)));
}

/// Never stops where there is no cancellation.
std::stop_token read_stop(const llmdit_cancellation* cancellation, std::string_view operation);

template <class Number>
std::optional<Number> read_optional(const Number* value) {
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace llmdit::capi
