#include "llmdit/options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/check.hpp"
#include "base/parse_choice.hpp"

namespace llmdit {
namespace {

std::string_view kind_text(OptionKind kind) {
  switch (kind) {
    case OptionKind::boolean:
      return "true or false";
    case OptionKind::integer:
      return "a whole number";
    case OptionKind::unsigned_integer:
      return "a whole number that is not negative";
    case OptionKind::number:
      return "a number";
    case OptionKind::text:
      return "text";
    case OptionKind::choice:
      return "one of a list";
    case OptionKind::numbers:
      return "a list of numbers";
    case OptionKind::texts:
      return "a list of texts";
  }
  return "a value";
}

[[noreturn]] void wrong_kind(const OptionField& field, const OptionValue& value) {
  const std::string shown = std::holds_alternative<std::monostate>(value) ? "none" : "'" + to_string(value) + "'";
  fail(ErrorCode::invalid_argument, field.name, "expected {}, got {}", kind_text(field.kind), shown);
}

void check_bounds(const OptionField& field, double number, const std::string& shown) {
  if (number >= field.minimum && number <= field.maximum) return;  // false for NaN
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string unit = field.unit.empty() ? "" : fmt::format(" {}", field.unit);
  if (field.maximum == infinity && field.minimum == -infinity) {
    fail(ErrorCode::invalid_argument, field.name, "expected a number{}, got {}", unit, shown);
  }
  if (field.maximum == infinity) {
    fail(ErrorCode::invalid_argument, field.name, "expected at least {}{}, got {}", field.minimum, unit, shown);
  }
  fail(ErrorCode::invalid_argument, field.name, "expected {} to {}{}, got {}", field.minimum, field.maximum, unit,
       shown);
}

int64_t to_integer(const OptionField& field, const OptionValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return *integer;
  const auto* natural = std::get_if<uint64_t>(&value);
  if (!natural || *natural > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) wrong_kind(field, value);
  return static_cast<int64_t>(*natural);
}

uint64_t to_unsigned(const OptionField& field, const OptionValue& value) {
  if (const auto* natural = std::get_if<uint64_t>(&value)) return *natural;
  const auto* integer = std::get_if<int64_t>(&value);
  if (!integer || *integer < 0) wrong_kind(field, value);
  return static_cast<uint64_t>(*integer);
}

double to_number(const OptionField& field, const OptionValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* natural = std::get_if<uint64_t>(&value)) return static_cast<double>(*natural);
  wrong_kind(field, value);
}

/// A list without items, which JSON does not tell the kind of.
bool is_empty_list(const OptionValue& value) {
  const auto* numbers = std::get_if<std::vector<double>>(&value);
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  return (numbers && numbers->empty()) || (texts && texts->empty());
}

std::string to_choice(const OptionField& field, const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (!text) wrong_kind(field, value);
  if (const std::string_view known = field.canonical(*text); !known.empty()) return std::string(known);
  unknown_choice(field.name, *text, field.choices);
}

template <class T>
T parse_number(const OptionField& field, std::string_view text, std::string_view expected) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  const bool is_huge = error == std::errc::result_out_of_range;
  fail(ErrorCode::invalid_argument, field.name, "expected {}, got '{}'", is_huge ? "a smaller number" : expected, text);
}

std::vector<double> parse_numbers(const OptionField& field, std::string_view text) {
  std::vector<double> numbers;
  if (text.empty()) return numbers;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    numbers.push_back(parse_number<double>(field, text.substr(0, comma), "numbers separated by commas"));
    if (comma == text.size()) return numbers;
    text.remove_prefix(comma + 1);
  }
}

bool parse_boolean(const OptionField& field, std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::string_view yes : {"true", "on", "yes", "1"}) {
    if (lower == yes) return true;
  }
  for (std::string_view no : {"false", "off", "no", "0"}) {
    if (lower == no) return false;
  }
  fail(ErrorCode::invalid_argument, field.name, "expected {} (also on, off, yes, no, 1, 0), got '{}'",
       kind_text(field.kind), text);
}

}  // namespace

OptionValue parse_value(const OptionField& field, std::string_view text) {
  switch (field.kind) {
    case OptionKind::boolean:
      return parse_boolean(field, text);
    case OptionKind::integer:
      return parse_number<int64_t>(field, text, kind_text(field.kind));
    case OptionKind::unsigned_integer:
      return parse_number<uint64_t>(field, text, kind_text(field.kind));
    case OptionKind::number:
      return parse_number<double>(field, text, kind_text(field.kind));
    case OptionKind::numbers:
      return parse_numbers(field, text);
    case OptionKind::texts:
      return text.empty() ? std::vector<std::string>() : std::vector{std::string(text)};
    case OptionKind::text:
    case OptionKind::choice:
      return std::string(text);
  }
  return std::string(text);
}

OptionValue check_value(const OptionField& field, OptionValue value) {
  if (std::holds_alternative<std::monostate>(value)) {
    if (!field.optional) wrong_kind(field, value);
    return value;
  }
  switch (field.kind) {
    case OptionKind::boolean:
      if (!std::holds_alternative<bool>(value)) wrong_kind(field, value);
      return value;
    case OptionKind::integer: {
      const int64_t integer = to_integer(field, value);
      check_bounds(field, static_cast<double>(integer), std::to_string(integer));
      return integer;
    }
    case OptionKind::unsigned_integer: {
      const uint64_t natural = to_unsigned(field, value);
      check_bounds(field, static_cast<double>(natural), std::to_string(natural));
      return natural;
    }
    case OptionKind::number: {
      const double number = to_number(field, value);
      check_bounds(field, number, to_string(value));
      return number;
    }
    case OptionKind::text:
      if (!std::holds_alternative<std::string>(value)) wrong_kind(field, value);
      return value;
    case OptionKind::choice:
      return to_choice(field, value);
    case OptionKind::numbers: {
      if (is_empty_list(value)) return std::vector<double>();
      const auto* numbers = std::get_if<std::vector<double>>(&value);
      if (!numbers) wrong_kind(field, value);
      for (double number : *numbers) check_bounds(field, number, fmt::format("{}", number));
      return value;
    }
    case OptionKind::texts:
      if (is_empty_list(value)) return std::vector<std::string>();
      if (!std::holds_alternative<std::vector<std::string>>(value)) wrong_kind(field, value);
      return value;
  }
  return value;
}

const OptionField& find_field(std::span<const OptionField> fields, std::string_view name) {
  std::vector<std::string_view> names;
  for (const OptionField& field : fields) {
    if (field.name == name) return field;
    names.push_back(field.name);
  }
  const std::string_view guess = nearest_name(name, names);
  if (guess.empty()) {
    fail(ErrorCode::invalid_argument, "options", "there is no option '{}'; known are {}", name, fmt::join(names, ", "));
  }
  fail(ErrorCode::invalid_argument, "options", "there is no option '{}'; did you mean '{}'?", name, guess);
}

std::string to_string(const OptionValue& value) {
  struct Writer {
    std::string operator()(std::monostate) const { return ""; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t integer) const { return std::to_string(integer); }
    std::string operator()(uint64_t natural) const { return std::to_string(natural); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<double>& numbers) const {
      return fmt::format("{}", fmt::join(numbers, ","));
    }
    std::string operator()(const std::vector<std::string>& texts) const {
      return fmt::format("{}", fmt::join(texts, ","));
    }
  };
  return std::visit(Writer{}, value);
}

}  // namespace llmdit
