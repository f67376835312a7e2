#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "llmdit/config.hpp"
#include "llmdit/error.hpp"

namespace llmdit::config {

/// A profile as it stands in a file, without what it extends.
struct Profile {
  std::string name;
  std::string extends;
  ConfigRemark extends_place{};  ///< without text
  std::vector<ConfigEntry> entries;
};

struct ProfileFile {
  std::vector<Profile> profiles;
  std::vector<ConfigEntry> common;   ///< of every profile
  std::vector<ConfigRemark> errors;  ///< in the order of the file, as the notes
  std::vector<ConfigRemark> notes;
};

/// A profile that is not there, so that whoever has its name from elsewhere can tell from where.
class UnknownProfile : public Error {
 public:
  using Error::Error;
};

/// Reads every profile of a file and collects every mistake; a text that is no TOML has one, the first.
ProfileFile read_profiles(std::string_view text, const std::string& name);

}  // namespace llmdit::config
