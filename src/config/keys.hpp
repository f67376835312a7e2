#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "llmdit/config.hpp"
#include "llmdit/error.hpp"

namespace llmdit::config {

/// The section that stands beside the profiles of a file, for all of them.
inline constexpr std::string_view top_section = "server";

/// What a key and its value in a profile mean.
struct Meaning {
  const Setting* setting = nullptr;  ///< nullptr: nothing, as an older switch that is off
  OptionValue value;                 ///< checked
  std::string note;                  ///< the key's name of today, where it is an older one
};

/// Reads one key; `section` is "" at the profile's root. Throws invalid_argument with the reason, and for an unknown
/// key the nearest known one.
Meaning interpret(std::string_view section, std::string_view key, const OptionValue& value);

/// A value of whatever kind as the setting's own, in the spelling it is kept in. Throws invalid_argument.
OptionValue checked(const Setting& setting, OptionValue value);

/// Throws as interpret does for a key that is not there.
void check_key(std::string_view section, std::string_view key);

/// Whether there are keys in a section of that name.
bool is_section(std::string_view name);

/// Throws for a section that is not there, naming the nearest one.
[[noreturn]] void unknown_section(std::string_view name);

/// The message of an error without the "[operation] " before it.
std::string message_of(const Error& error);

/// Collects the entries of a profile.
class ProfileBuilder {
 public:
  /// Throws invalid_argument for a key or value that cannot be, or that contradicts one that is there.
  void add(std::string_view section, std::string_view key, const OptionValue& value, const std::string& origin);

  /// The entries. Throws invalid_argument for scales that fit no paths.
  std::vector<ConfigEntry> finish();

  /// Of the last key added; "" for none.
  const std::string& note() const { return note_; }

 private:
  std::vector<ConfigEntry> entries_;
  std::string note_;
  std::vector<double> scales_;
  bool has_scales_ = false;
};

}  // namespace llmdit::config
