#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/options.hpp"

namespace llmdit::cli {

/// The flags of one option table: each field of it becomes a flag of a command, with help, unit, bounds and default.
/// A field also goes by its name in JSON and Python, with dashes for underscores.
class OptionFlags {
 public:
  using Filter = std::function<bool(const OptionField&)>;

  static bool every_field(const OptionField&) { return true; }

  template <class Options>
  static OptionFlags of(CLI::App& app, const std::string& group, const Filter& filter = every_field) {
    const Options defaults;
    return OptionFlags(app, group, option_fields<Options>(), &defaults, filter);
  }

  /// Sets the fields whose flags were given. Throws UsageError naming the flag.
  template <class Options>
  void apply(Options& options) const {
    apply_to(&options);
  }

 private:
  struct Flag {
    const OptionField* field;
    const CLI::Option* option;
  };

  OptionFlags(CLI::App& app, const std::string& group, std::span<const OptionField> fields, const void* defaults,
              const Filter& filter);
  void apply_to(void* options) const;

  std::vector<Flag> flags_;
};

/// A flag that takes a text; the last one counts.
CLI::Option* add_text_flag(CLI::App& app, const std::string& names, std::string& value, const std::string& value_name,
                           const std::string& help);

/// A flag's text as a value of its field's kind, not yet checked against bounds. Throws UsageError.
OptionValue parse_value(const OptionField& field, std::string_view text);

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
