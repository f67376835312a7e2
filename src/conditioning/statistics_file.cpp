// Reading and writing of reference statistics, as .npz and as .json.
#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/npz.hpp"
#include "llmdit/reference_statistics.hpp"

namespace llmdit {
namespace {

constexpr std::string_view file_op = "reference_statistics";

bool is_npz(const std::filesystem::path& path) {
  const std::filesystem::path suffix = path.extension();
  check(suffix == ".npz" || suffix == ".json", file_op, "expected a file name that ends in .npz or .json, got {}",
        io::printable_path(path));
  return suffix == ".npz";
}

std::vector<float> to_floats(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kFloat).contiguous();
  const auto* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

/// The arrays of a .npz file under the names of the struct's fields.
class Arrays {
 public:
  explicit Arrays(const std::filesystem::path& path) : path_(path), arrays_(io::read_npz(path)) {}

  bool has(const std::string& name) const { return arrays_.contains(name); }

  at::Tensor numbers(const std::string& name) const {
    const io::NpyArray& array = get(name);
    if (array.shape.size() != 1) wrong(name, "an array of one dimension");
    if (const auto* floats = std::get_if<std::vector<float>>(&array.values)) return at::tensor(*floats, at::kFloat);
    if (const auto* doubles = std::get_if<std::vector<double>>(&array.values)) {
      return at::tensor(*doubles, at::kDouble).to(at::kFloat);
    }
    wrong(name, "floating-point numbers");
  }

  double number(const std::string& name) const {
    const io::NpyArray& array = single(name);
    if (const auto* floats = std::get_if<std::vector<float>>(&array.values)) return floats->front();
    if (const auto* doubles = std::get_if<std::vector<double>>(&array.values)) return doubles->front();
    wrong(name, "a floating-point number");
  }

  int64_t integer(const std::string& name) const {
    if (const auto* integers = std::get_if<std::vector<int64_t>>(&single(name).values)) return integers->front();
    wrong(name, "an integer");
  }

  std::string text(const std::string& name) const {
    if (const auto* text = std::get_if<std::string>(&get(name).values)) return *text;
    wrong(name, "a text");
  }

 private:
  [[noreturn]] void wrong(const std::string& name, std::string_view expected) const {
    fail(ErrorCode::unsupported, file_op, "{}: expected {} under \"{}\"", io::printable_path(path_), expected, name);
  }

  const io::NpyArray& get(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) wrong(name, "an array");
    return found->second;
  }

  const io::NpyArray& single(const std::string& name) const {
    const io::NpyArray& array = get(name);
    if (!array.shape.empty()) wrong(name, "a single value");
    return array;
  }

  const std::filesystem::path& path_;
  std::map<std::string, io::NpyArray> arrays_;
};

ReferenceStatistics load_npz(const std::filesystem::path& path) {
  const Arrays arrays(path);
  ReferenceStatistics statistics{.per_dim_mean = arrays.numbers("per_dim_mean"),
                                 .per_dim_std = arrays.numbers("per_dim_std"),
                                 .global_mean = arrays.number("global_mean"),
                                 .global_std = arrays.number("global_std")};
  if (arrays.has("model")) statistics.model = arrays.text("model");
  if (arrays.has("layer")) statistics.hidden_layer = arrays.integer("layer");
  if (arrays.has("num_prompts")) statistics.num_prompts = arrays.integer("num_prompts");
  if (arrays.has("num_tokens")) statistics.num_tokens = arrays.integer("num_tokens");
  return statistics;
}

void save_npz(const ReferenceStatistics& statistics, const std::filesystem::path& path) {
  const auto count = [](int64_t number) { return io::NpyArray{.shape = {}, .values = std::vector{number}}; };
  const auto number = [](double value) { return io::NpyArray{.shape = {}, .values = std::vector{value}}; };
  const auto numbers = [](const at::Tensor& tensor) {
    return io::NpyArray{.shape = {tensor.numel()}, .values = to_floats(tensor)};
  };
  std::map<std::string, io::NpyArray> arrays = {
      {"per_dim_mean", numbers(statistics.per_dim_mean)},   {"per_dim_std", numbers(statistics.per_dim_std)},
      {"global_mean", number(statistics.global_mean)},      {"global_std", number(statistics.global_std)},
      {"model", {.shape = {}, .values = statistics.model}}, {"num_prompts", count(statistics.num_prompts)},
      {"num_tokens", count(statistics.num_tokens)}};
  if (statistics.hidden_layer) arrays["layer"] = count(*statistics.hidden_layer);
  io::write_npz(path, arrays);
}

at::Tensor numbers_of(const io::JsonObject& json, std::string_view key) {
  return at::tensor(json.get<std::vector<double>>(key), at::kDouble).to(at::kFloat);
}

ReferenceStatistics load_json(const std::filesystem::path& path) {
  const io::JsonObject json = io::JsonObject::read(path);
  return {.per_dim_mean = numbers_of(json, "per_dim_mean"),
          .per_dim_std = numbers_of(json, "per_dim_std"),
          .global_mean = json.get<double>("global_mean"),
          .global_std = json.get<double>("global_std"),
          .model = json.get_or<std::string>("model", ""),
          .hidden_layer = json.get_optional<int64_t>("layer"),
          .num_prompts = json.get_or<int64_t>("num_prompts", 0),
          .num_tokens = json.get_or<int64_t>("num_tokens", 0)};
}

void save_json(const ReferenceStatistics& statistics, const std::filesystem::path& path) {
  nlohmann::ordered_json json = {{"model", statistics.model}};
  if (statistics.hidden_layer) json["layer"] = *statistics.hidden_layer;
  json["num_prompts"] = statistics.num_prompts;
  json["num_tokens"] = statistics.num_tokens;
  json["hidden_dim"] = statistics.hidden_dim();
  json["global_mean"] = statistics.global_mean;
  json["global_std"] = statistics.global_std;
  json["per_dim_mean"] = to_floats(statistics.per_dim_mean);
  json["per_dim_std"] = to_floats(statistics.per_dim_std);
  const std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  io::write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace

ReferenceStatistics ReferenceStatistics::load(const std::filesystem::path& path) {
  return translate_errors(file_op, [&] {
    ReferenceStatistics statistics = is_npz(path) ? load_npz(path) : load_json(path);
    try {
      statistics.check();
    } catch (const Error& error) {
      fail(ErrorCode::unsupported, file_op, "{} holds no statistics: {}", io::printable_path(path), error.what());
    }
    return statistics;
  });
}

void ReferenceStatistics::save(const std::filesystem::path& path) const {
  translate_errors(file_op, [&] {
    check();
    is_npz(path) ? save_npz(*this, path) : save_json(*this, path);
  });
}

}  // namespace llmdit
