// config.toml.example, and values as TOML.
#include <algorithm>
#include <limits>

#include "base/check.hpp"
#include "config/builtin_profiles.hpp"
#include "config/keys.hpp"
#include "llmdit/config.hpp"

namespace llmdit {
namespace {

constexpr std::string_view header =
    R"(# Settings of llmdit. `llmdit config --example` writes this file; every line that is commented out shows its default.
#
# Copy it to ~/.config/llmdit/config.toml, or name it by --config or LLMDIT_CONFIG. A profile is chosen by --profile or
# LLMDIT_PROFILE, else it is "default". Flags win over LLMDIT_* variables, these over the profile, the profile over what
# is built in. `llmdit config --check FILE` finds mistakes, `llmdit config --print` shows what is in force and why.

)";

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_number(double value) {
  std::string text = fmt::format("{}", value);
  const bool is_whole = text.find_first_not_of("-0123456789") == text.npos;
  return is_whole ? text + ".0" : text;
}

template <class List, class Write>
std::string toml_list(const List& list, Write write) {
  std::vector<std::string> items;
  for (const auto& item : list) items.push_back(write(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string range_of(const OptionField& field) {
  if (field.kind == OptionKind::choice) return fmt::format("{}", fmt::join(field.choices, ", "));
  const double infinity = std::numeric_limits<double>::infinity();
  constexpr double endless = 1e15;  // says no more than what the type can hold
  std::string range;
  if (field.minimum > -infinity && field.maximum < endless) {
    range = fmt::format("{} to {}", field.minimum, field.maximum);
  } else if (field.minimum > -infinity) {
    range = fmt::format("at least {}", field.minimum);
  }
  if (!field.unit.empty()) range += fmt::format("{}{}", range.empty() ? "" : " ", field.unit);
  return range;
}

/// Help, bounds, and the line to be uncommented.
std::string entry(const Setting& setting) {
  const OptionField& field = *setting.field;
  const std::string range = range_of(field);
  const std::string_view key = std::string_view(setting.key).substr(setting.key.find('.') + 1);
  const std::string value = to_toml(setting.get(RuntimeConfig{}));
  return fmt::format("# {}{}\n# {} ={}{}\n", field.help, range.empty() ? "" : fmt::format(" ({})", range), key,
                     value.empty() ? "" : " ", value);
}

std::string section_of(const Setting& setting) { return std::string(setting.field->section); }

}  // namespace

std::string to_toml(const OptionValue& value) {
  struct Writer {
    std::string operator()(std::monostate) const { return ""; }
    std::string operator()(bool on) const { return on ? "true" : "false"; }
    std::string operator()(int64_t integer) const { return std::to_string(integer); }
    std::string operator()(uint64_t natural) const {
      // TOML's own integers end at 63 bits.
      const bool fits = natural <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      return fits ? std::to_string(natural) : toml_text(std::to_string(natural));
    }
    std::string operator()(double value) const { return toml_number(value); }
    std::string operator()(const std::string& text) const { return toml_text(text); }
    std::string operator()(const std::vector<double>& list) const { return toml_list(list, toml_number); }
    std::string operator()(const std::vector<std::string>& list) const { return toml_list(list, toml_text); }
  };
  return std::visit(Writer{}, value);
}

std::string config_example() {
  std::vector<std::string> sections;
  for (const Setting& setting : settings()) {
    if (std::ranges::find(sections, section_of(setting)) == sections.end()) sections.push_back(section_of(setting));
  }
  std::string out(header);
  for (const std::string& section : sections) {
    out += section == config::top_section ? fmt::format("# Beside the profiles, for all of them.\n[{}]\n", section)
           : section.empty()              ? "[default]\n"
                                          : fmt::format("[default.{}]\n", section);
    for (const Setting& setting : settings()) {
      if (section_of(setting) == section) out += entry(setting);
    }
    out += '\n';
  }
  const size_t others = config::builtin_profiles.find('#');  // behind the empty [default]
  out += "# Profiles that are built in as well; one of the same name here takes the place of it.\n\n";
  out += config::builtin_profiles.substr(others);
  return out;
}

}  // namespace llmdit
