#include "config/toml_reader.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <optional>

#include "base/check.hpp"
#include "config/keys.hpp"
#include "io/encoding.hpp"

namespace llmdit::config {
namespace {

constexpr std::string_view extends_key = "extends";

template <class T>
std::optional<OptionValue> list_of(const toml::array& array) {
  std::vector<T> list;
  for (const toml::node& item : array) {
    const auto value = item.value_exact<T>();
    const auto integer = item.value_exact<int64_t>();
    if (value) {
      list.push_back(*value);
    } else if constexpr (std::is_same_v<T, double>) {
      if (!integer) return std::nullopt;
      list.push_back(static_cast<double>(*integer));
    } else {
      return std::nullopt;
    }
  }
  return OptionValue(std::move(list));
}

/// A value as an option's, of whatever kind; nothing for dates, tables and lists of them or of several kinds.
std::optional<OptionValue> option_value(const toml::node& node) {
  if (const auto flag = node.value_exact<bool>()) return *flag;
  if (const auto integer = node.value_exact<int64_t>()) return *integer;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto text = node.value_exact<std::string>()) return *text;
  const toml::array* array = node.as_array();
  if (!array) return std::nullopt;
  const auto numbers = list_of<double>(*array);  // an empty list is one of these, until its key is known
  return numbers ? numbers : list_of<std::string>(*array);
}

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list of other things";
    default:
      return "a date or time";
  }
}

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  ProfileFile read(const toml::table& file) {
    for (const auto& [key, node] : file) {
      if (const toml::table* profile = node.as_table()) {
        read_profile(std::string(key.str()), *profile, key.source());
      } else {
        error(key.source(), key.str(), "settings stand in a profile; put it under [default]");
      }
    }
    sort(file_.errors);
    sort(file_.notes);
    return std::move(file_);
  }

 private:
  void read_profile(const std::string& name, const toml::table& table, const toml::source_region& place) {
    if (is_section(name)) {
      error(place, name, fmt::format("a section stands in a profile; write [default.{}]", name));
      return;
    }
    Profile profile{.name = name};
    ProfileBuilder builder;
    for (const auto& [key, node] : table) {
      if (key.str() == extends_key) {
        read_extends(profile, key, node);
      } else if (const toml::table* section = node.as_table()) {
        read_section(name, std::string(key.str()), *section, key.source(), builder);
      } else {
        read_value(name, "", key, node, builder);
      }
    }
    try {
      profile.entries = builder.finish();
    } catch (const Error& problem) {
      error(place, name, message_of(problem));
    }
    file_.profiles.push_back(std::move(profile));
  }

  void read_extends(Profile& profile, const toml::key& key, const toml::node& node) {
    const auto base = node.value_exact<std::string>();
    profile.extends_place = remark(key.source(), "");
    if (base) {
      profile.extends = *base;
    } else {
      error(key.source(), fmt::format("[{}] extends", profile.name), "expected the name of a profile");
    }
  }

  void read_section(const std::string& profile, const std::string& section, const toml::table& table,
                    const toml::source_region& place, ProfileBuilder& builder) {
    try {
      if (!is_section(section)) unknown_section(section);
    } catch (const Error& problem) {
      error(place, fmt::format("[{}.{}]", profile, section), message_of(problem));
      return;
    }
    for (const auto& [key, node] : table) read_value(profile, section, key, node, builder);
  }

  void read_value(const std::string& profile, const std::string& section, const toml::key& key, const toml::node& node,
                  ProfileBuilder& builder) {
    const std::string where = fmt::format("[{}{}{}] {}", profile, section.empty() ? "" : ".", section, key.str());
    const auto value = option_value(node);
    try {
      if (!value) {
        check_key(section, key.str());  // an unknown key has the better message
        fail(ErrorCode::invalid_argument, "config", "expected a value, got {}", kind_of(node));
      }
      builder.add(section, key.str(), *value, to_place(key.source()));
      if (!builder.note().empty()) file_.notes.push_back(remark(key.source(), where + ": " + builder.note()));
    } catch (const Error& problem) {
      const std::string shown = value ? fmt::format(" = {}", to_toml(*value)) : "";
      error(key.source(), where + shown, message_of(problem));
    }
  }

  ConfigRemark remark(const toml::source_region& place, const std::string& text) const {
    return {name_, place.begin.line, place.begin.column, io::printable(text, 600)};
  }

  void error(const toml::source_region& place, std::string_view where, const std::string& text) {
    file_.errors.push_back(remark(place, fmt::format("{}: {}", where, text)));
  }

  std::string to_place(const toml::source_region& place) const {
    return fmt::format("{}:{}:{}", name_, place.begin.line, place.begin.column);
  }

  static void sort(std::vector<ConfigRemark>& remarks) {
    std::ranges::stable_sort(remarks, {}, [](const ConfigRemark& r) { return std::pair(r.line, r.column); });
  }

  std::string name_;
  ProfileFile file_;
};

}  // namespace

ProfileFile read_profiles(std::string_view text, const std::string& name) {
  try {
    return Reader(name).read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const toml::source_position place = error.source().begin;
    ProfileFile file;
    file.errors.push_back({name, place.line, place.column, io::printable(error.description(), 600)});
    return file;
  }
}

}  // namespace llmdit::config
