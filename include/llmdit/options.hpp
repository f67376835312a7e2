#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// A field's value with its type erased; monostate is "not given", which differs from 0 and "".
using OptionValue = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, std::vector<double>,
                                 std::vector<std::string>>;

enum class OptionKind { boolean, integer, unsigned_integer, number, text, choice, numbers, texts };

/// One field of an option struct. Flags, help, JSON and Python arguments are made from these tables; the default stands
/// in the struct's initialiser and nowhere else.
struct OptionField {
  std::string_view name;     ///< in JSON and Python
  std::string_view section;  ///< its table in a configuration file
  std::string_view key;      ///< in that table
  std::string_view flag;     ///< on the command line, without the dashes
  std::string_view unit;     ///< "" for a plain number
  std::string_view alias;    ///< another flag, as scripts of others have it; one with ! before it turns off
  std::string_view help;     ///< one line
  OptionKind kind;
  bool optional;       ///< may be "not given"
  bool is_fine_point;  ///< few ever set it: help shows it apart
  double minimum;      ///< inclusive bounds of numbers
  double maximum;
  std::span<const std::string_view> choices;               ///< of a choice
  std::string_view (*canonical)(std::string_view choice);  ///< the listed spelling of any known one; "" for others
  OptionValue (*get)(const void* options);
  void (*set)(void* options, const OptionValue& value);  ///< value has passed check_value
};

/// The table of an option struct: GenerateOptions, LoadOptions.
template <class Options>
std::span<const OptionField> option_fields();

/// The value as the field's type: integers widen to numbers, text is looked up among the choices.
/// Throws invalid_argument naming field, value, and what is allowed.
LLMDIT_EXPORT OptionValue check_value(const OptionField& field, OptionValue value);

/// A text as the field's value, as flags and environment variables have it: numbers and lists of them separated by
/// commas, true or false (also on, off, yes, no, 1, 0), an empty text as an empty list. Not yet checked by check_value.
/// Throws invalid_argument naming the field.
LLMDIT_EXPORT OptionValue parse_value(const OptionField& field, std::string_view text);

/// The field called `name`; throws invalid_argument naming the nearest known one.
LLMDIT_EXPORT const OptionField& find_field(std::span<const OptionField> fields, std::string_view name);

/// The candidate that `word` is most likely a misspelling of; "" when none is near.
LLMDIT_EXPORT std::string_view nearest_name(std::string_view word, std::span<const std::string_view> candidates);

/// How a value is written for people; "" for not given.
LLMDIT_EXPORT std::string to_string(const OptionValue& value);

template <class Options>
void set_option(Options& options, std::string_view name, OptionValue value) {
  const OptionField& field = find_field(option_fields<Options>(), name);
  field.set(&options, check_value(field, std::move(value)));
}

template <class Options>
OptionValue get_option(const Options& options, std::string_view name) {
  return find_field(option_fields<Options>(), name).get(&options);
}

/// Checks every field against its bounds.
template <class Options>
void check_options(const Options& options) {
  for (const OptionField& field : option_fields<Options>()) check_value(field, field.get(&options));
}

}  // namespace llmdit
