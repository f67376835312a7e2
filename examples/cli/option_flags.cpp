#include "option_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "exit_codes.hpp"
#include "help.hpp"
#include "llmdit/error.hpp"

namespace llmdit::cli {
namespace {

template <class T>
T parse_number(const OptionField& field, std::string_view text, std::string_view expected) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  const std::string_view problem = error == std::errc::result_out_of_range ? "a smaller number" : expected;
  throw UsageError(fmt::format("--{}: expected {}, got '{}'", field.flag, problem, text));
}

/// An empty text is no numbers, which takes back what else is in force.
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

/// The word that stands for the value in the help.
std::string value_name(const OptionField& field) {
  if (field.kind == OptionKind::choice) return "NAME";
  if (!field.unit.empty()) {
    std::string unit(field.unit);
    std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return unit;
  }
  switch (field.kind) {
    case OptionKind::number:
      return "X";
    case OptionKind::numbers:
      return "X,X,...";
    case OptionKind::text:
    case OptionKind::texts:
      return "TEXT";
    default:
      return "N";
  }
}

std::string range_text(const OptionField& field) {
  if (field.kind == OptionKind::choice) return fmt::format("{}", fmt::join(field.choices, ", "));
  const double infinity = std::numeric_limits<double>::infinity();
  const bool has_minimum = field.minimum > -infinity;
  // A bound that only says "what the type can hold" is no news.
  const bool has_maximum = field.maximum < static_cast<double>(std::numeric_limits<int64_t>::max());
  if (has_minimum && has_maximum) return fmt::format("{} to {}", field.minimum, field.maximum);
  if (has_minimum) return fmt::format("at least {}", field.minimum);
  if (has_maximum) return fmt::format("at most {}", field.maximum);
  return "";
}

std::string default_text(const OptionField& field, const void* defaults) {
  const OptionValue value = field.get(defaults);
  if (const bool* on = std::get_if<bool>(&value)) return *on ? "on" : "off";
  return to_string(value);
}

std::string help_text(const OptionField& field, const void* defaults) {
  std::vector<std::string> facts;
  if (std::string range = range_text(field); !range.empty()) facts.push_back(std::move(range));
  if (const std::string value = default_text(field, defaults); !value.empty()) facts.push_back("default " + value);
  return facts.empty() ? std::string(field.help) : fmt::format("{} ({})", field.help, fmt::join(facts, "; "));
}

/// Every spelling of a field's flag, the one for the help first.
std::vector<std::string> spellings(const OptionField& field) {
  std::string dashed(field.name);
  std::ranges::replace(dashed, '_', '-');
  std::vector<std::string> names = {std::string(field.flag)};
  if (dashed != field.flag) names.push_back(dashed);
  return names;
}

CLI::Option* add_switch(CLI::App& app, const OptionField& field, const std::string& help) {
  std::vector<std::string> names;
  for (const std::string& name : spellings(field)) names.push_back(fmt::format("--{0},!--no-{0}", name));
  return app.add_flag(fmt::format("{}", fmt::join(names, ",")), help);
}

CLI::Option* add_value(CLI::App& app, const OptionField& field, const std::string& help) {
  const auto accept = [](const CLI::results_t&) { return true; };  // read after parsing, by apply
  CLI::Option* option = app.add_option("--" + fmt::format("{}", fmt::join(spellings(field), ",--")), accept, help);
  option->type_name(value_name(field))->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  // Given several times, a list of texts grows: a comma may be a part of any of them.
  if (field.kind == OptionKind::texts) option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return option;
}

OptionValue switch_value(const OptionField& field, const CLI::Option& option) {
  try {
    return option.as<bool>();
  } catch (const CLI::ConversionError&) {
    throw UsageError(
        fmt::format("--{}: expected true, false or nothing, got '{}'", field.flag, option.results().back()));
  }
}

OptionValue value_of(const OptionField& field, const CLI::Option& option) {
  if (field.kind == OptionKind::boolean) return switch_value(field, option);
  if (field.kind == OptionKind::texts) {
    auto texts = option.results();
    if (!texts.empty() && texts.back().empty()) texts.clear();  // as for numbers
    return texts;
  }
  return parse_value(field, option.results().back());
}

/// Flags that few ever set.
bool is_fine_point(const OptionField& field) {
  constexpr std::string_view names[] = {"sigmas",          "layer_weights",    "layer_spans",      "long_prompt_mode",
                                        "max_text_tokens", "clean_whitespace", "outpaint",         "mask_feather",
                                        "mask_composite",  "vae_tile_size",    "vae_tile_overlap", "vae_tiling",
                                        "vae_path",        "tokenizer_path",   "templates_dir"};
  return field.section == "vl" || std::ranges::find(names, field.name) != std::end(names);
}

}  // namespace

OptionFlags::OptionFlags(CLI::App& app, const std::string& group, std::span<const OptionField> fields,
                         const void* defaults, const Filter& filter) {
  for (const OptionField& field : fields) {
    if (!filter(field)) continue;
    const std::string help = help_text(field, defaults);
    CLI::Option* option =
        field.kind == OptionKind::boolean ? add_switch(app, field, help) : add_value(app, field, help);
    option->group(is_fine_point(field) ? kFinePoints : group);
    flags_.push_back({&field, option});
  }
}

void OptionFlags::apply_to(void* options) const {
  for (const auto& [field, option] : flags_) {
    if (option->count() == 0) continue;
    OptionValue value = value_of(*field, *option);
    try {
      field->set(options, check_value(*field, std::move(value)));
    } catch (const Error& error) {
      // The library names the field, whoever typed a flag looks for the flag.
      std::string_view text = error.what();
      const std::string prefix = fmt::format("[{}] ", field->name);
      if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
      throw UsageError(fmt::format("--{}: {}", field->flag, text));
    }
  }
}

CLI::Option* add_text_flag(CLI::App& app, const std::string& names, std::string& value, const std::string& value_name,
                           const std::string& help) {
  return app.add_option(names, value, help)
      ->type_name(value_name)
      ->check([](const std::string& given) { return given.empty() ? "expected a path, got an empty text" : ""; }, "")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

OptionValue parse_value(const OptionField& field, std::string_view text) {
  switch (field.kind) {
    case OptionKind::boolean:
      return text == "true";
    case OptionKind::integer:
      return parse_number<int64_t>(field, text, "a whole number");
    case OptionKind::unsigned_integer:
      return parse_number<uint64_t>(field, text, "a whole number that is not negative");
    case OptionKind::number:
      return parse_number<double>(field, text, "a number");
    case OptionKind::numbers:
      return parse_numbers(field, text);
    case OptionKind::texts:
      return std::vector<std::string>{std::string(text)};
    case OptionKind::text:
    case OptionKind::choice:
      return std::string(text);
  }
  return std::string(text);
}

nlohmann::ordered_json to_json(const OptionValue& value) {
  return std::visit(
      [](const auto& held) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(held)>, std::monostate>) {
          return nullptr;
        } else {
          return held;
        }
      },
      value);
}

}  // namespace llmdit::cli
