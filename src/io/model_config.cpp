#include "io/model_config.hpp"

#include <limits>

#include "base/check.hpp"

namespace llmdit::io {

JsonObject read_config(const std::filesystem::path& path, std::string_view file_name) {
  std::error_code ignored;
  return JsonObject::read(std::filesystem::is_regular_file(path, ignored) ? path : path / file_name);
}

int64_t positive(const JsonObject& json, std::string_view key) {
  const auto value = json.get<int64_t>(key);
  if (value < 1 || value > std::numeric_limits<int32_t>::max()) {
    fail(ErrorCode::unsupported, "config", "expected {} in {} to be a positive 32-bit number, found {}", key,
         json.path().string(), value);
  }
  return value;
}

int64_t layers_or(const JsonObject& json, std::string_view key, int64_t fallback, int64_t least) {
  constexpr int64_t most = 1000;
  const auto value = json.get_or<int64_t>(key, fallback);
  if (value < least || value > most) {
    fail(ErrorCode::unsupported, "config", "expected {} in {} to lie in {} to {}, found {}", key, json.path().string(),
         least, most, value);
  }
  return value;
}

int64_t layers(const JsonObject& json, std::string_view key) { return layers_or(json, key, json.get<int64_t>(key)); }

int64_t positive_or(const JsonObject& json, std::string_view key, int64_t fallback) {
  return json.has(key) ? positive(json, key) : fallback;
}

template <class T>
void expect_value(const JsonObject& json, std::string_view key, const T& handled) {
  if (!json.has(key)) return;
  const T value = json.get<T>(key);
  if (value != handled) {
    fail(ErrorCode::unsupported, "config", "expected {} in {} to be {}, the only one handled, found {}", key,
         json.path().string(), handled, value);
  }
}

template void expect_value(const JsonObject&, std::string_view, const bool&);
template void expect_value(const JsonObject&, std::string_view, const int64_t&);
template void expect_value(const JsonObject&, std::string_view, const std::string&);
template void expect_value(const JsonObject&, std::string_view, const std::vector<int64_t>&);

void expect_class(const JsonObject& json, std::string_view class_name) {
  const std::string found = json.get_or<std::string>("_class_name", std::string(class_name));
  if (found != class_name) {
    fail(ErrorCode::unsupported, "config", "expected _class_name {} in {}, found {}; is this the right folder?",
         class_name, json.path().string(), found);
  }
}

}  // namespace llmdit::io
