#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_table.hpp"

namespace llmdit {

/// "; did you mean X?" for the known name that `given` is likely a misspelling of; "" when there is none.
std::string did_you_mean(std::string_view given, std::span<const std::string_view> known);

/// Throws invalid_argument for a name that is none of those known.
[[noreturn]] void unknown_choice(std::string_view operation, std::string_view given,
                                 std::span<const std::string_view> known);

/// The value of that name; throws invalid_argument naming what is known.
template <class E>
E parse_choice(std::string_view operation, std::string_view name) {
  if (const auto value = parse_enum<E>(name)) return *value;
  std::vector<std::string_view> known;
  for (const auto& entry : EnumTable<E>::names) known.push_back(entry.name);
  unknown_choice(operation, name, known);
}

}  // namespace llmdit
