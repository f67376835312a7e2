#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/enum_table.hpp"
#include "llmdit/options.hpp"

namespace llmdit {

template <size_t N>
struct FixedString {
  char text[N]{};
  constexpr FixedString(const char (&from)[N]) {  // NOLINT(google-explicit-constructor): a literal is the only source
    for (size_t i = 0; i < N; ++i) text[i] = from[i];
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

/// What a table says of a field besides its name and place.
struct FieldText {
  std::string_view section;
  std::string_view help;
  std::string_view unit = "";
  std::string_view flag = "";  ///< when it is not the name with dashes
  std::string_view key = "";   ///< when it is not the name, without the section where that begins it
  std::string_view alias = "";
  bool is_fine_point = false;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
};

/// Specialise with `static std::string write(const T&)` and `static T read(std::string_view)`, which may throw
/// invalid_argument, for a type that stands as text in a table.
template <class T>
struct OptionText;

template <class T>
concept HasOptionText = requires(const T& value) { OptionText<T>::write(value); };

namespace option_table {

/// "vl_alpha" of the section vl is the key vl.alpha.
constexpr std::string_view without_section(std::string_view name, std::string_view section) {
  const size_t length = section.size();
  return length > 0 && name.size() > length + 1 && name.starts_with(section) && name[length] == '_'
             ? name.substr(length + 1)
             : name;
}

template <class T>
inline constexpr bool is_text_list = false;
template <HasOptionText T>
inline constexpr bool is_text_list<std::vector<T>> = true;

template <FixedString Name>
inline constexpr auto dashed = [] {
  auto copy = Name;
  for (char& c : copy.text) {
    if (c == '_') c = '-';
  }
  return copy;
}();

template <class E>
[[gnu::visibility("hidden")]] inline constexpr auto enum_choices = [] {
  // Second spellings of a value are understood, but not listed.
  constexpr auto& names = EnumTable<E>::names;
  std::array<std::string_view, std::size(names)> choices{};
  size_t count = 0;
  for (const auto& entry : names) {
    if (enum_name(entry.value) == entry.name) choices[count++] = entry.name;
  }
  return std::pair{choices, count};
}();

template <class T>
struct Unwrapped {
  using type = T;
  static constexpr bool optional = false;
};
template <class T>
struct Unwrapped<std::optional<T>> {
  using type = T;
  static constexpr bool optional = true;
};

template <class T>
constexpr OptionKind kind_of() {
  if constexpr (std::is_same_v<T, bool>) return OptionKind::boolean;
  if constexpr (std::is_same_v<T, int64_t>) return OptionKind::integer;
  if constexpr (std::is_same_v<T, uint64_t>) return OptionKind::unsigned_integer;
  if constexpr (std::is_same_v<T, double>) return OptionKind::number;
  if constexpr (std::is_same_v<T, std::string> || HasOptionText<T>) return OptionKind::text;
  if constexpr (std::is_same_v<T, std::vector<double>>) return OptionKind::numbers;
  if constexpr (std::is_same_v<T, std::vector<std::string>> || is_text_list<T>) return OptionKind::texts;
  if constexpr (std::is_enum_v<T>) return OptionKind::choice;
}

template <class T>
OptionValue to_value(const T& member) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(enum_name(member));
  } else if constexpr (HasOptionText<T>) {
    return OptionText<T>::write(member);
  } else if constexpr (is_text_list<T>) {
    std::vector<std::string> texts;
    for (const auto& item : member) texts.push_back(OptionText<typename T::value_type>::write(item));
    return texts;
  } else {
    return member;
  }
}

template <class T>
T from_value(const OptionValue& value) {
  if constexpr (std::is_enum_v<T>) {
    return *parse_enum<T>(std::get<std::string>(value));
  } else if constexpr (HasOptionText<T>) {
    return OptionText<T>::read(std::get<std::string>(value));
  } else if constexpr (is_text_list<T>) {
    T items;
    for (const std::string& text : std::get<std::vector<std::string>>(value))
      items.push_back(OptionText<typename T::value_type>::read(text));
    return items;
  } else {
    return std::get<T>(value);
  }
}

template <class Options, auto First, auto... Rest>
auto& member_of(Options& options) {
  auto& member = options.*First;
  if constexpr (sizeof...(Rest) == 0) {
    return member;
  } else {
    return member_of<std::remove_reference_t<decltype(member)>, Rest...>(member);
  }
}

}  // namespace option_table

/// The table entry of one field; `Path` are the member pointers that lead to it.
template <class Options, FixedString Name, auto... Path>
constexpr OptionField field(const FieldText& text) {
  using namespace option_table;
  using Member = std::remove_cvref_t<decltype(member_of<Options, Path...>(std::declval<Options&>()))>;
  using Value = typename Unwrapped<Member>::type;

  OptionField entry{};
  entry.name = std::string_view(Name.text, sizeof(Name.text) - 1);
  entry.section = text.section;
  entry.key = text.key.empty() ? option_table::without_section(entry.name, text.section) : text.key;
  entry.flag = text.flag.empty() ? dashed<Name>.view() : text.flag;
  entry.alias = text.alias;
  entry.unit = text.unit;
  entry.help = text.help;
  entry.kind = kind_of<Value>();
  entry.optional = Unwrapped<Member>::optional;
  entry.is_fine_point = text.is_fine_point;
  entry.minimum = text.minimum;
  entry.maximum = text.maximum;
  if constexpr (std::is_enum_v<Value>) {
    entry.canonical = [](std::string_view choice) {
      const auto parsed = parse_enum<Value>(choice);
      return parsed ? enum_name(*parsed) : std::string_view();
    };
    entry.choices = std::span(enum_choices<Value>.first).first(enum_choices<Value>.second);
  }
  entry.get = [](const void* options) -> OptionValue {
    const auto& member = member_of<const Options, Path...>(*static_cast<const Options*>(options));
    if constexpr (Unwrapped<Member>::optional) {
      return member ? to_value(*member) : OptionValue{};
    } else {
      return to_value(member);
    }
  };
  entry.set = [](void* options, const OptionValue& value) {
    auto& member = member_of<Options, Path...>(*static_cast<Options*>(options));
    if constexpr (Unwrapped<Member>::optional) {
      if (std::holds_alternative<std::monostate>(value)) {
        member.reset();
        return;
      }
    }
    member = from_value<Value>(value);
  };
  return entry;
}

}  // namespace llmdit
