#include "io/json.hpp"

#include <cstdint>
#include <limits>
#include <type_traits>
#include <unordered_set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"

namespace llmdit::io {
namespace {

constexpr size_t max_file_bytes = size_t{256} << 20;  // the largest tokenizer.json in use have 35 MB
constexpr int max_depth = 100;

[[noreturn]] void fail_json(const std::filesystem::path& path, std::string_view problem) {
  fail(ErrorCode::unsupported, "json", "{}: {}", printable_path(path), problem);
}

/// "a number", "a string \"abc\"": what stands there, short enough for a message.
std::string describe(const nlohmann::json& value) {
  if (value.is_object() || value.is_array()) return value.is_object() ? "an object" : "an array";
  if (value.is_null()) return "null";
  return fmt::format("{} {}", value.type_name(), printable(value.dump(), 60));
}

/// The parser itself keeps the last of equal keys and nests without limit; this callback refuses both.
class StrictParse {
 public:
  explicit StrictParse(const std::filesystem::path& path) : path_(path) {}

  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > max_depth) fail_json(path_, fmt::format("nested deeper than {} levels", max_depth));
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get_ref<const std::string&>()).second) {
      fail_json(path_,
                fmt::format("the key \"{}\" stands there twice", printable(parsed.get_ref<const std::string&>())));
    }
    return true;
  }

 private:
  const std::filesystem::path& path_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

nlohmann::json parse_foreign_json(std::string_view text) {
  bool is_deep = false;
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    is_deep = is_deep || depth > max_depth;
    return !is_deep;  // what is deeper is left out as it is read
  };
  auto parsed = nlohmann::json::parse(text, shallow, /*allow_exceptions=*/false);
  return is_deep ? nlohmann::json(nlohmann::json::value_t::discarded) : parsed;
}

namespace {

nlohmann::json parse_strictly(const std::filesystem::path& path, const std::string& text) {
  // The parser takes a NUL for the end of the text and would pass over what follows.
  if (text.find('\0') != std::string::npos) fail_json(path, "expected JSON text, found a NUL byte");
  StrictParse callback(path);
  try {
    return nlohmann::json::parse(text, std::ref(callback));
  } catch (const nlohmann::json::exception& error) {
    const std::string_view what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    const size_t bracket = what.find("] ");
    fail_json(path, printable(bracket == what.npos ? what : what.substr(bracket + 2), 300));
  }
}

template <class T>
struct is_vector : std::false_type {};
template <class E>
struct is_vector<std::vector<E>> : std::true_type {};

template <class T>
std::string type_title() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "a whole number";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (is_vector<T>::value) return "an array, each element " + type_title<typename T::value_type>();
}

/// Without the conversions of nlohmann's own get(): no bool for a number, no cut fraction, no wrapped integer.
template <class T>
std::optional<T> convert(const nlohmann::json& value) {
  if constexpr (is_vector<T>::value) {
    if (!value.is_array()) return std::nullopt;
    T result;
    for (const auto& element : value) {
      auto converted = convert<typename T::value_type>(element);
      if (!converted) return std::nullopt;
      result.push_back(std::move(*converted));
    }
    return result;
  } else {
    bool fits = false;
    if constexpr (std::is_same_v<T, bool>) fits = value.is_boolean();
    if constexpr (std::is_same_v<T, double>) fits = value.is_number();
    if constexpr (std::is_same_v<T, std::string>) fits = value.is_string();
    if constexpr (std::is_same_v<T, int64_t>) {
      fits = value.is_number_integer() &&
             (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
    }
    return fits ? std::optional<T>(value.get<T>()) : std::nullopt;
  }
}

std::string join(const std::string& where, std::string_view key) {
  return where.empty() ? printable(key) : where + "." + printable(key);
}

template <class T>
T convert_or_fail(const nlohmann::json& value, const std::filesystem::path& path, const std::string& key) {
  auto result = convert<T>(value);
  if (!result) fail_json(path, fmt::format("key \"{}\": expected {}, found {}", key, type_title<T>(), describe(value)));
  return *std::move(result);
}

}  // namespace

JsonObject JsonObject::read(const std::filesystem::path& path) {
  return {path, parse_strictly(path, read_text_file(path, max_file_bytes))};
}

JsonObject JsonObject::parse(const std::filesystem::path& path, const std::string& text) {
  return JsonObject(path, parse_strictly(path, text));
}

JsonObject::JsonObject(std::filesystem::path path, nlohmann::json value)
    : path_(std::move(path)), value_(std::move(value)) {
  if (!value_.is_object()) fail_json(path_, fmt::format("expected a JSON object, found {}", describe(value_)));
}

bool JsonObject::has(std::string_view key) const {
  const auto found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

template <class T>
T JsonObject::get(std::string_view key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) {
    fail_json(path_, fmt::format("key \"{}\": expected {}, found no such key", join(where_, key), type_title<T>()));
  }
  return convert_or_fail<T>(*found, path_, join(where_, key));
}

template <class T>
T JsonObject::get_or(std::string_view key, T fallback) const {
  return value_.contains(key) ? get<T>(key) : fallback;
}

template <class T>
std::optional<T> JsonObject::get_optional(std::string_view key) const {
  return has(key) ? std::optional<T>(get<T>(key)) : std::nullopt;
}

JsonObject JsonObject::object(std::string_view key) const {
  const auto found = value_.find(key);
  if (found == value_.end() || !found->is_object()) {
    fail_json(path_, fmt::format("key \"{}\": expected an object, found {}", join(where_, key),
                                 found == value_.end() ? "no such key" : describe(*found)));
  }
  JsonObject result(path_, *found);
  result.where_ = join(where_, key);
  return result;
}

std::vector<JsonObject> JsonObject::objects(std::string_view key) const {
  const auto found = value_.find(key);
  std::vector<JsonObject> result;
  if (found != value_.end() && found->is_array()) {
    for (const auto& item : *found) {
      if (!item.is_object()) break;
      result.emplace_back(path_, item);
      result.back().where_ = fmt::format("{}[{}]", join(where_, key), result.size() - 1);
    }
    if (result.size() == found->size()) return result;
  }
  fail_json(path_, fmt::format("key \"{}\": expected a list of objects, found {}", join(where_, key),
                               found == value_.end() ? "no such key" : describe(*found)));
}

#define LLMDIT_JSON_TYPE(...)                                                                \
  template __VA_ARGS__ JsonObject::get<__VA_ARGS__>(std::string_view) const;                 \
  template __VA_ARGS__ JsonObject::get_or<__VA_ARGS__>(std::string_view, __VA_ARGS__) const; \
  template std::optional<__VA_ARGS__> JsonObject::get_optional<__VA_ARGS__>(std::string_view) const;

LLMDIT_JSON_TYPE(bool)
LLMDIT_JSON_TYPE(int64_t)
LLMDIT_JSON_TYPE(double)
LLMDIT_JSON_TYPE(std::string)
LLMDIT_JSON_TYPE(std::vector<bool>)
LLMDIT_JSON_TYPE(std::vector<int64_t>)
LLMDIT_JSON_TYPE(std::vector<double>)
LLMDIT_JSON_TYPE(std::vector<std::string>)

#undef LLMDIT_JSON_TYPE

}  // namespace llmdit::io
