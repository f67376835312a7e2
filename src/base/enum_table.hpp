#pragma once

#include <optional>
#include <string_view>

namespace llmdit {

template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

/// Specialise with a constexpr array `names`: the one place where an enum's spellings stand.
/// A value may stand there twice; the first spelling is the one that is written out.
template <class E>
struct EnumTable;

template <class E>
constexpr std::string_view enum_name(E value) noexcept {
  for (const auto& entry : EnumTable<E>::names) {
    if (entry.value == value) return entry.name;
  }
  return "unknown";
}

template <class E>
constexpr std::optional<E> parse_enum(std::string_view text) noexcept {
  for (const auto& entry : EnumTable<E>::names) {
    if (entry.name == text) return entry.value;
  }
  return std::nullopt;
}

}  // namespace llmdit
