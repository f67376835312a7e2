// Where settings come from besides arguments: the environment, and the files of the XDG folders.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "config/keys.hpp"
#include "config/toml_reader.hpp"
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

std::string as_variable(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) {
    return c == '-' || c == '.' ? '_' : static_cast<char>(std::toupper(c));
  });
  return upper;
}

/// What a variable may be taken to be called, without the prefix, and its name: its own, its flag's and its key's.
std::map<std::string, std::string> spellings() {
  std::map<std::string, std::string> names;
  for (const std::string_view variable : other_variables)
    names.emplace(variable.substr(prefix.size()), std::string(variable));
  for (const Setting& setting : settings()) names[setting.environment.substr(prefix.size())] = setting.environment;
  for (const Setting& setting : settings()) {
    names.emplace(as_variable(setting.field->flag), setting.environment);
    names.emplace(as_variable(setting.key), setting.environment);
    names.emplace(as_variable(setting.field->name), setting.environment);
  }
  return names;
}

/// What is wrong with a variable of our prefix; "" for a known one, and for a stranger that looks like none of ours.
std::string variable_mistake(std::string_view name) {
  static const std::map<std::string, std::string> known = spellings();
  // The common prefix must not make strangers look alike.
  const std::string word(name.substr(prefix.size()));
  std::vector<std::string_view> words;
  for (const auto& [spelling, variable] : known) words.push_back(spelling);
  const auto exact = known.find(word);
  const std::string guess(exact != known.end() ? std::string_view(word) : nearest_name(word, words));
  if (guess.empty() || known.at(guess) == name) return "";
  return fmt::format("environment {}: there is no such variable; did you mean {}?", io::printable(name),
                     known.at(guess));
}

std::vector<std::string> misspelt_variables() {
  std::vector<std::string> mistakes;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with(prefix)) continue;
    if (std::string mistake = variable_mistake(text.substr(0, text.find('='))); !mistake.empty())
      mistakes.push_back(std::move(mistake));
  }
  std::ranges::sort(mistakes);
  return mistakes;
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
    std::vector<std::string> mistakes = misspelt_variables();
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
        mistakes.push_back(fmt::format("environment {}: {}", name, config::message_of(error)));
      }
    }
    check(mistakes.empty(), "config", "{}", fmt::join(mistakes, "\n"));  // all of them at once
    return Config::from_entries(entries);
  });
}

std::optional<fs::path> find_config() {
  if (const char* named = std::getenv("LLMDIT_CONFIG")) return *named ? std::optional(fs::path(named)) : std::nullopt;
  return first_file(config_folders());
}

Config load_config(const std::optional<fs::path>& file, const std::optional<std::string>& profile) {
  check(!file || !file->empty(), "config", "expected the path of a file, got an empty text");
  const std::string_view by_variable = profile ? "" : variable("LLMDIT_PROFILE");
  const std::string name = profile ? *profile : std::string(by_variable.empty() ? "default" : by_variable);
  const std::optional<fs::path> found = file ? file : find_config();
  try {
    return found ? Config::from_toml(*found, name) : Config::parse("", name);
  } catch (const config::UnknownProfile& error) {
    if (by_variable.empty()) throw;
    fail(error.code(), "config", "environment LLMDIT_PROFILE: {}", config::message_of(error));
  }
}

}  // namespace llmdit
