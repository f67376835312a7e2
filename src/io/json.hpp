#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace llmdit::io {

/// JSON of another machine: a discarded value where it is none, or nests deeper than anything that is meant to be read
/// here. What is left may be copied and written, which recurses.
nlohmann::json parse_foreign_json(std::string_view text);

/// A JSON object read from a file whose getters name the file and key in every error.
class JsonObject {
 public:
  /// Throws not_found when the file cannot be read, unsupported when it is not a JSON object.
  static JsonObject read(const std::filesystem::path& path);
  /// Of JSON text that is a part of the file `path`.
  static JsonObject parse(const std::filesystem::path& path, const std::string& text);
  JsonObject(std::filesystem::path path, nlohmann::json value);

  bool has(std::string_view key) const;  ///< present and not null

  /// T: bool, int64_t, double, std::string, std::vector of these. Throws unsupported when missing, null or of another
  /// type.
  template <class T>
  T get(std::string_view key) const;
  /// The fallback for a missing key; a null or a wrong type still throws.
  template <class T>
  T get_or(std::string_view key, T fallback) const;
  /// Nothing for a missing key or null.
  template <class T>
  std::optional<T> get_optional(std::string_view key) const;
  /// A nested object; throws unsupported when missing or not an object.
  JsonObject object(std::string_view key) const;
  /// A list of objects; throws unsupported when missing or something else.
  std::vector<JsonObject> objects(std::string_view key) const;

  const std::filesystem::path& path() const { return path_; }
  const nlohmann::json& value() const { return value_; }

 private:
  std::filesystem::path path_;
  nlohmann::json value_;
  std::string where_;  // dotted path of this object inside the file
};

}  // namespace llmdit::io
