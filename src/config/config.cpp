#include "llmdit/config.hpp"

#include <algorithm>
#include <ranges>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "config/builtin_profiles.hpp"
#include "config/keys.hpp"
#include "config/toml_reader.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"

namespace llmdit {
namespace {

using config::Profile;
using config::ProfileFile;

constexpr size_t longest_file = 1 << 20;  // bytes; a file with every setting has ten thousand
constexpr std::string_view builtin_name = "built-in profiles";

const std::vector<Profile>& builtin_profiles() {
  static const ProfileFile file = config::read_profiles(config::builtin_profiles, std::string(builtin_name));
  return file.profiles;
}

const Profile* find_profile(const std::vector<Profile>& own, std::string_view name) {
  for (const std::vector<Profile>* profiles : {&own, &builtin_profiles()}) {
    const auto found = std::ranges::find(*profiles, name, &Profile::name);
    if (found != profiles->end()) return &*found;
  }
  return nullptr;
}

[[noreturn]] void unknown_profile(const std::vector<Profile>& own, std::string_view name) {
  std::vector<std::string_view> names;
  for (const std::vector<Profile>* profiles : {&own, &builtin_profiles()}) {
    for (const Profile& profile : *profiles) {
      if (std::ranges::find(names, profile.name) == names.end()) names.push_back(profile.name);
    }
  }
  const std::string_view guess = nearest_name(name, names);
  const std::string hint =
      guess.empty() ? fmt::format("known are {}", fmt::join(names, ", ")) : fmt::format("did you mean {}?", guess);
  throw config::UnknownProfile(ErrorCode::invalid_argument,
                               fmt::format("[config] there is no profile '{}'; {}", io::printable(name), hint));
}

/// A profile and those it extends, it first. Throws for one that is not there, and for a cycle.
std::vector<const Profile*> lineage(const std::vector<Profile>& own, std::string_view name) {
  check(!name.empty(), "config", "expected the name of a profile, got an empty text");
  std::vector<const Profile*> chain;
  for (std::string next(name); !next.empty(); next = chain.back()->extends) {
    const Profile* profile = find_profile(own, next);
    if (!profile) unknown_profile(own, next);
    if (std::ranges::find(chain, profile) != chain.end()) {
      std::vector<std::string_view> names;
      for (const Profile* member : chain) names.push_back(member->name);
      fail(ErrorCode::invalid_argument, "config", "profiles extend each other: {}, {}", fmt::join(names, ", "), next);
    }
    chain.push_back(profile);
  }
  return chain;
}

/// Every mistake of the file, those between its profiles among them.
ProfileFile read_checked(std::string_view text, const std::string& name) {
  ProfileFile file = config::read_profiles(text, name);
  for (const Profile& profile : file.profiles) {
    try {
      lineage(file.profiles, profile.name);
    } catch (const Error& error) {
      ConfigRemark remark = profile.extends_place;
      remark.text = fmt::format("[{}] extends: {}", profile.name, config::message_of(error));
      file.errors.push_back(std::move(remark));
    }
  }
  return file;
}

std::string lines_of(const std::vector<ConfigRemark>& remarks) {
  std::vector<std::string> lines;
  for (const ConfigRemark& remark : remarks) lines.push_back(to_string(remark));
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::string read_file(const std::filesystem::path& file) { return io::read_text_file(file, longest_file); }

ConfigReport report_of(ProfileFile file) {
  ConfigReport report;
  for (const Profile& profile : file.profiles) report.profiles.push_back(profile.name);
  report.errors = std::move(file.errors);
  report.notes = std::move(file.notes);
  return report;
}

}  // namespace

std::string to_string(const ConfigRemark& remark) {
  return fmt::format("{}:{}:{}: {}", remark.file, remark.line, remark.column, remark.text);
}

Config Config::from_toml(const std::filesystem::path& file, std::string_view profile) {
  return translate_errors("config", [&] { return parse(read_file(file), profile, io::printable_path(file)); });
}

Config Config::parse(std::string_view text, std::string_view profile, const std::string& name) {
  return translate_errors("config", [&] {
    const ProfileFile file = read_checked(text, name);
    check(file.errors.empty(), "config", "{}", lines_of(file.errors));
    std::vector<const Profile*> chain = lineage(file.profiles, profile);
    Config config;
    config.entries_ = file.common;
    for (const Profile* member : std::views::reverse(chain)) {
      Config layer;
      layer.entries_ = member->entries;
      for (ConfigEntry& entry : layer.entries_) {
        const bool is_builtin = entry.origin.starts_with(builtin_name);
        entry.origin = is_builtin ? fmt::format("profile {}", member->name)
                                  : fmt::format("{} (profile {})", entry.origin, member->name);
      }
      config.overlay(layer);
    }
    return config;
  });
}

Config Config::from_entries(std::span<const ConfigEntry> entries) {
  return translate_errors("config", [&] {
    config::ProfileBuilder builder;
    for (const ConfigEntry& entry : entries) {
      const size_t dot = entry.key.find('.');
      const std::string_view key = entry.key;
      const std::string_view section = dot == key.npos ? "" : key.substr(0, dot);
      try {
        if (!section.empty() && !config::is_section(section)) config::unknown_section(section);
        builder.add(section, dot == key.npos ? key : key.substr(dot + 1), entry.value, entry.origin);
      } catch (const Error& error) {
        fail(error.code(), "config", "{} = {}: {}", io::printable(entry.key), io::printable(to_toml(entry.value)),
             config::message_of(error));
      }
    }
    Config layer, config;
    layer.entries_ = builder.finish();
    config.overlay(layer);
    return config;
  });
}

const ConfigEntry* Config::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, &ConfigEntry::key);
  return found == entries_.end() ? nullptr : &*found;
}

void Config::overlay(const Config& other) {
  std::vector<ConfigEntry> merged;
  for (const Setting& setting : settings()) {
    const ConfigEntry* entry = other.find(setting.key);
    if (!entry) entry = find(setting.key);
    if (entry) merged.push_back(*entry);
  }
  entries_ = std::move(merged);
}

RuntimeConfig runtime_config(const Config& config) {
  RuntimeConfig runtime;
  for (const Setting& setting : settings()) {
    if (const ConfigEntry* entry = config.find(setting.key)) setting.field->set(setting.options(runtime), entry->value);
  }
  return runtime;
}

ConfigReport check_config(const std::filesystem::path& file) {
  return translate_errors("config", [&] { return check_config_text(read_file(file), io::printable_path(file)); });
}

ConfigReport check_config_text(std::string_view text, const std::string& name) {
  return translate_errors("config", [&] { return report_of(read_checked(text, name)); });
}

}  // namespace llmdit
