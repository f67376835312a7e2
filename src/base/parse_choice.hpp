#pragma once

#include <iterator>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "base/enum_table.hpp"

namespace llmdit {

/// The value of that name; throws invalid_argument naming what is known.
template <class E>
E parse_choice(std::string_view operation, std::string_view name) {
  if (const auto value = parse_enum<E>(name)) return *value;
  std::string known;
  for (const auto& entry : EnumTable<E>::names) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  fail(ErrorCode::invalid_argument, operation, "expected one of {}; got \"{}\"", known, name);
}

}  // namespace llmdit
