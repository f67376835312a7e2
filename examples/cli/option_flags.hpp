#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llmdit/config.hpp"
#include "llmdit/options.hpp"

namespace llmdit::cli {

/// The flags of one option table: each field of it becomes a flag of a command, with help, unit, bounds and default.
/// A field also goes by its name in JSON and Python, with dashes for underscores, and one of the section rewriter by
/// its key behind "rewriter-"; where a command has several tables, the first one has a name that two of them want.
class OptionFlags {
 public:
  using Filter = std::function<bool(const OptionField&)>;

  static bool every_field(const OptionField&) { return true; }

  template <class Options>
  static OptionFlags of(CLI::App& app, const std::string& group, const Filter& filter = every_field) {
    const Options defaults;
    OptionFlags flags(app, group, option_fields<Options>(), &defaults, filter);
    flags.try_set_ = [](const OptionField& field, const OptionValue& value) {
      Options scratch;
      field.set(&scratch, value);
    };
    return flags;
  }

  /// Sets the fields whose flags were given. Throws UsageError naming the flag.
  template <class Options>
  void apply(Options& options) const {
    for (const auto& [flag, value] : given()) flag->field->set(&options, value);
  }

  /// The same on top of other settings, with the flag as what each came from.
  void overlay(Config& config) const;

  bool is_given(const OptionField& field) const { return is_given(field.flag); }
  bool is_given(std::string_view flag) const;

 private:
  struct Flag {
    const OptionField* field;
    const CLI::Option* option;
    std::string name;  ///< the first of its names, without the dashes
  };

  OptionFlags(CLI::App& app, const std::string& group, std::span<const OptionField> fields, const void* defaults,
              const Filter& filter);
  /// The values of the flags that were given, checked. Throws UsageError naming the flag.
  std::vector<std::pair<const Flag*, OptionValue>> given() const;

  std::vector<Flag> flags_;
  std::function<void(const OptionField&, const OptionValue&)> try_set_;  // for texts with a form of their own
};

/// A flag that takes a text; the last one counts.
CLI::Option* add_text_flag(CLI::App& app, const std::string& names, std::string& value, const std::string& value_name,
                           const std::string& help);

/// A flag that takes a whole number between bounds.
CLI::Option* add_number_flag(CLI::App& app, const std::string& names, std::optional<int>& value, int least, int most,
                             const std::string& help);

/// A flag with a few possible values.
CLI::Option* add_choice_flag(CLI::App& app, const std::string& names, std::string& value,
                             const std::vector<std::string>& choices, const std::string& help);

/// The possible values of a flag; empty where it takes any.
std::vector<std::string> choices_of(const CLI::Option& option);

/// null for what is not given.
nlohmann::ordered_json to_json(const OptionValue& value);

/// The fields of the table with their values.
template <class Options>
nlohmann::ordered_json settings_json(const Options& options,
                                     const OptionFlags::Filter& filter = OptionFlags::every_field) {
  nlohmann::ordered_json settings = nlohmann::ordered_json::object();
  for (const OptionField& field : option_fields<Options>()) {
    if (filter(field)) settings[std::string(field.name)] = to_json(field.get(&options));
  }
  return settings;
}

}  // namespace llmdit::cli
