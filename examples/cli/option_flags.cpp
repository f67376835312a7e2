#include "option_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "exit_codes.hpp"
#include "help.hpp"
#include "llmdit/error.hpp"
#include "setting_origins.hpp"
#include "suggest.hpp"

namespace llmdit::cli {
namespace {

/// The word that stands for the value in the help. Names of files are told by the names of the fields.
std::string value_name(const OptionField& field) {
  if (field.kind == OptionKind::choice || field.name == "template" || field.name == "rewriter") return "NAME";
  if (field.name == "lora") return "FILE[:SCALE]";
  if (field.name.ends_with("_path")) return "PATH";
  if (field.name.ends_with("_dir") || field.name.ends_with("_folder")) return "FOLDER";
  if (field.name.ends_with("_statistics")) return "FILE";
  if (field.name.ends_with("_url")) return "URL";
  if (field.name == "device" || field.name.ends_with("_device")) return "DEVICE";
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

std::string dashed(std::string_view text) {
  std::string name(text);
  std::ranges::replace(name, '_', '-');
  return name;
}

/// Every spelling of a field's flag that the command has not given to another, the one for the help first.
std::vector<std::string> spellings(const CLI::App& app, const OptionField& field) {
  std::vector<std::string> names = {std::string(field.flag), dashed(field.name)};
  if (field.section == "rewriter" && field.key != field.section) names.push_back("rewriter-" + dashed(field.key));
  if (!field.alias.empty() && !field.alias.starts_with('!')) names.emplace_back(field.alias);
  std::vector<std::string> free;
  for (const std::string& name : names) {
    if (!app.get_option_no_throw("--" + name) && std::ranges::find(free, name) == free.end()) free.push_back(name);
  }
  return free;
}

CLI::Option* add_switch(CLI::App& app, const OptionField& field, const std::vector<std::string>& names,
                        const std::string& help) {
  std::vector<std::string> forms;
  for (const std::string& name : names) forms.push_back(fmt::format("--{0},!--no-{0}", name));
  if (field.alias.starts_with('!')) forms.push_back(fmt::format("!--{}", field.alias.substr(1)));
  return app.add_flag(fmt::format("{}", fmt::join(forms, ",")), help);
}

CLI::Option* add_value(CLI::App& app, const OptionField& field, const std::vector<std::string>& names,
                       const std::string& help) {
  const auto accept = [](const CLI::results_t&) { return true; };  // read after parsing, by apply
  CLI::Option* option = app.add_option("--" + fmt::format("{}", fmt::join(names, ",--")), accept, help);
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

/// The parser keeps possible values to itself.
std::map<const CLI::Option*, std::vector<std::string>>& choices_by_option() {
  static std::map<const CLI::Option*, std::vector<std::string>> choices;
  return choices;
}

std::string choice_mistake(const std::string& given, const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, given) != choices.end()) return "";
  return fmt::format("expected one of {}, got '{}'{}", fmt::join(choices, ", "), given, suggestion(given, choices));
}

}  // namespace

OptionFlags::OptionFlags(CLI::App& app, const std::string& group, std::span<const OptionField> fields,
                         const void* defaults, const Filter& filter) {
  for (const OptionField& field : fields) {
    if (!filter(field)) continue;
    const std::string help = help_text(field, defaults);
    const std::vector<std::string> names = spellings(app, field);
    CLI::Option* option =
        field.kind == OptionKind::boolean ? add_switch(app, field, names, help) : add_value(app, field, names, help);
    option->group(!group.empty() && field.is_fine_point ? kFinePoints : group);  // "" hides all of them
    choices_by_option()[option].assign(field.choices.begin(), field.choices.end());
    flags_.push_back({&field, option, names.front()});
  }
}

bool OptionFlags::is_given(std::string_view flag) const {
  return std::ranges::any_of(flags_,
                             [&](const Flag& known) { return known.field->flag == flag && known.option->count() > 0; });
}

std::vector<std::pair<const OptionFlags::Flag*, OptionValue>> OptionFlags::given() const {
  std::vector<std::pair<const Flag*, OptionValue>> values;
  for (const Flag& flag : flags_) {
    const auto& [field, option, name] = flag;
    if (option->count() == 0) continue;
    try {
      values.emplace_back(&flag, check_value(*field, value_of(*field, *option)));
      try_set_(*field, values.back().second);
      remember_origin(*field, fmt::format("flag --{}", name));
    } catch (const Error& error) {
      // The library names the field, whoever typed a flag looks for the flag.
      std::string_view text = error.what();
      const std::string prefix = fmt::format("[{}] ", field->name);
      if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
      throw UsageError(fmt::format("--{}: {}", name, text));
    }
  }
  return values;
}

void OptionFlags::overlay(Config& config) const {
  std::vector<ConfigEntry> entries;
  for (auto& [flag, value] : given()) {
    const auto setting = std::ranges::find(settings(), flag->field, &Setting::field);
    if (setting != settings().end())
      entries.push_back({setting->key, std::move(value), fmt::format("flag --{}", flag->name)});
  }
  config.overlay(Config::from_entries(entries));
}

CLI::Option* add_text_flag(CLI::App& app, const std::string& names, std::string& value, const std::string& value_name,
                           const std::string& help) {
  return app.add_option(names, value, help)
      ->type_name(value_name)
      ->check([](const std::string& given) { return given.empty() ? "expected a value, got an empty text" : ""; }, "")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CLI::Option* add_number_flag(CLI::App& app, const std::string& names, std::optional<int>& value, int least, int most,
                             const std::string& help) {
  const auto mistake = [least, most](const std::string& given) {
    int number = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
    const bool is_number = error == std::errc() && end == given.data() + given.size();
    if (is_number && number >= least && number <= most) return std::string();
    return fmt::format("expected {} to {}, got '{}'", least, most, given);
  };
  return app.add_option(names, value, help)
      ->type_name("N")
      ->check(mistake, "")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CLI::Option* add_choice_flag(CLI::App& app, const std::string& names, std::string& value,
                             const std::vector<std::string>& choices, const std::string& help) {
  CLI::Option* option = app.add_option(names, value, help)
                            ->type_name("NAME")
                            ->check([choices](const std::string& given) { return choice_mistake(given, choices); }, "")
                            ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  choices_by_option()[option] = choices;
  return option;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const auto found = choices_by_option().find(&option);
  return found == choices_by_option().end() ? std::vector<std::string>() : found->second;
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
