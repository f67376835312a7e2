#include <algorithm>
#include <cctype>

#include "base/option_table.hpp"
#include "llmdit/config.hpp"

namespace llmdit {
namespace {

constexpr OptionField runtime_fields[] = {
    field<RuntimeConfig, "model", &RuntimeConfig::model>(
        {.section = "",
         .help = "folder, file or cached hub id of the model; empty is the demo model",
         .flag = "model-path",
         .key = "model_path"}),
};

/// An option struct of RuntimeConfig: its fields are settings.
struct Group {
  std::string_view environment;  ///< before the field's name; where names of another group could be the same
  std::span<const OptionField> fields;
  void* (*options)(RuntimeConfig&);
};

template <class Options, Options RuntimeConfig::* Member>
Group group(std::string_view environment = "") {
  return {environment, option_fields<Options>(), [](RuntimeConfig& config) -> void* { return &(config.*Member); }};
}

// Every option struct: a member of RuntimeConfig, and one line here.
std::vector<Group> groups() {
  return {
      {"", runtime_fields, [](RuntimeConfig& config) -> void* { return &config; }},
      group<LoadOptions, &RuntimeConfig::load>(),
      group<GenerateOptions, &RuntimeConfig::generate>(),
      group<RewriteOptions, &RuntimeConfig::rewrite>("REWRITER_"),
      group<RewriterModelOptions, &RuntimeConfig::rewriter>(),
      group<RemoteEncoderOptions, &RuntimeConfig::encoder>(),
      group<EncoderServerOptions, &RuntimeConfig::server>(),
  };
}

/// What a program asks for in its own code is no matter of a file.
bool is_setting(const OptionField& field) { return field.name != "output_type"; }

std::string variable_name(const Group& group, const OptionField& field) {
  std::string name = "LLMDIT_" + std::string(group.environment) + std::string(field.name);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

std::vector<Setting> make_settings() {
  std::vector<Setting> list;
  for (const Group& group : groups()) {
    for (const OptionField& field : group.fields) {
      if (!is_setting(field)) continue;
      const std::string section = field.section.empty() ? "" : std::string(field.section) + ".";
      list.push_back({.key = section + std::string(field.key),
                      .environment = variable_name(group, field),
                      .field = &field,
                      .options = group.options});
    }
  }
  return list;
}

}  // namespace

template <>
std::span<const OptionField> option_fields<RuntimeConfig>() {
  return runtime_fields;
}

std::span<const Setting> settings() {
  static const std::vector<Setting> list = make_settings();
  return list;
}

}  // namespace llmdit
