#include "setting_origins.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace llmdit::cli {
namespace {

/// Of the one command that a process runs.
std::map<const OptionField*, std::string>& origins() {
  static std::map<const OptionField*, std::string> by_field;
  return by_field;
}

}  // namespace

void remember_origin(const OptionField& field, const std::string& origin) { origins()[&field] = origin; }

void remember_origins(const Config& config) {
  for (const Setting& setting : settings()) {
    if (const ConfigEntry* entry = config.find(setting.key)) remember_origin(*setting.field, entry->origin);
  }
}

std::string origin_of(std::string_view message) {
  if (!message.starts_with('[')) return "";
  const std::string_view name = message.substr(1, message.find(']') - 1);
  for (const Setting& setting : settings()) {
    const auto found = origins().find(setting.field);
    if (found != origins().end() && (name == setting.field->name || name == setting.key))
      return fmt::format("; set by {}", found->second);
  }
  return "";
}

}  // namespace llmdit::cli
