// Where settings come from besides arguments: the environment, and the files of the XDG folders.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "config/keys.hpp"
#include "io/encoding.hpp"
#include "io/path_kind.hpp"
#include "llmdit/config.hpp"

extern char** environ;

namespace llmdit {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "LLMDIT_";

// Variables of ours that are no settings.
constexpr std::string_view other_variables[] = {"LLMDIT_CONFIG",         "LLMDIT_PROFILE", "LLMDIT_DEMO_MODEL",
                                                "LLMDIT_TEMPLATES",      "LLMDIT_CPU",     "LLMDIT_API_KEY",
                                                "LLMDIT_ENCODER_API_KEY"};

/// Empty and not given are the same: no folder.
std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

OptionValue parse_variable(const OptionField& field, std::string_view text) {
  if (field.kind != OptionKind::texts) return parse_value(field, text);
  std::vector<std::string> texts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    texts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return texts;
}

void check_variable_name(std::string_view name) {
  std::vector<std::string_view> known(std::begin(other_variables), std::end(other_variables));
  for (const Setting& setting : settings()) known.push_back(setting.environment);
  if (std::ranges::find(known, name) != known.end()) return;
  // The common prefix must not make strangers look alike.
  for (std::string_view& word : known) word.remove_prefix(prefix.size());
  const std::string_view guess = nearest_name(name.substr(prefix.size()), known);
  check(guess.empty(), "config", "environment {}: there is no such variable; did you mean {}{}?", io::printable(name),
        prefix, guess);
}

/// Existing config.toml of the first folder that has one.
std::optional<fs::path> first_file(const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    const fs::path file = folder / "llmdit" / "config.toml";
    if (folder.is_absolute() && io::is_file(file)) return file;  // relative ones are to be ignored, says XDG
  }
  return std::nullopt;
}

std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders;
  const std::string_view home = variable("XDG_CONFIG_HOME");
  folders.emplace_back(home.empty() ? fs::path(variable("HOME")) / ".config" : fs::path(home));
  std::string_view others = variable("XDG_CONFIG_DIRS");
  if (others.empty()) others = "/etc/xdg";
  while (!others.empty()) {
    const size_t end = std::min(others.find(':'), others.size());
    folders.emplace_back(others.substr(0, end));
    others.remove_prefix(std::min(end + 1, others.size()));
  }
  return folders;
}

}  // namespace

Config environment_config() {
  return translate_errors("config", [] {
    for (char** entry = environ; entry && *entry; ++entry) {
      const std::string_view text = *entry;
      if (text.starts_with(prefix)) check_variable_name(text.substr(0, text.find('=')));
    }
    std::vector<ConfigEntry> entries;
    for (const Setting& setting : settings()) {
      std::string name = setting.environment;
      // The older name of this one, which means as much.
      const bool has_older = setting.key == "pytorch.attention_backend" && !variable("LLM_DIT_ATTENTION").empty();
      if (has_older && !std::getenv(name.c_str())) name = "LLM_DIT_ATTENTION";
      const char* text = std::getenv(name.c_str());
      if (!text) continue;
      try {
        entries.push_back(
            {setting.key, config::checked(setting, parse_variable(*setting.field, text)), "environment " + name});
      } catch (const Error& error) {
        fail(error.code(), "config", "environment {}: {}", name, config::message_of(error));
      }
    }
    return Config::from_entries(entries);
  });
}

std::optional<fs::path> find_config() {
  if (const char* named = std::getenv("LLMDIT_CONFIG")) return *named ? std::optional(fs::path(named)) : std::nullopt;
  return first_file(config_folders());
}

Config load_config(const std::optional<fs::path>& file, const std::optional<std::string>& profile) {
  std::string name = profile.value_or(std::string(variable("LLMDIT_PROFILE")));
  if (name.empty()) name = "default";
  const std::optional<fs::path> found = file ? file : find_config();
  return found ? Config::from_toml(*found, name) : Config::parse("", name);
}

}  // namespace llmdit
