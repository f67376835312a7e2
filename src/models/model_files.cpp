#include "models/model_files.hpp"

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/model_config.hpp"
#include "io/model_kind.hpp"
#include "io/path_kind.hpp"

namespace llmdit::models {
namespace {

namespace fs = std::filesystem;

/// The class a configuration is for, by diffusers' key or by transformers'.
std::string class_of(const io::JsonObject& json) {
  if (json.has("_class_name")) return json.get<std::string>("_class_name");
  const auto type = json.get_or<std::string>("model_type", "");
  return type == "qwen3" ? "Qwen3Model" : type;
}

template <class Config>
ModelFiles<Config> open_files(io::TensorTable table, const fs::path& path, const fs::path& config_path,
                              std::string_view class_name, Config (*parse)(const io::JsonObject&),
                              Config (*tell)(const io::TensorTable&, const std::optional<Config>&)) {
  // An adapter's tensors have the stems of its model's.
  const std::string kind = io::tell_model(table.checkpoint());
  if (table.places().empty() || kind == "LoRA") {
    fail(ErrorCode::unsupported, std::string_view(table.component()), "expected the weights of a {} in {}, found {}",
         class_name, io::printable_path(path), kind.empty() ? "tensors of no known model" : kind);
  }
  if (const auto own = own_config(path, table, class_name)) return {std::move(table), parse(*own), own};
  std::optional<Config> known;
  if (!config_path.empty() && (io::is_file(config_path) || io::is_file(config_path / "config.json")))
    known = parse(io::read_config(config_path));
  const Config config = tell(table, known);
  check_config(config, path);
  return {std::move(table), config};
}

}  // namespace

std::string config_key(std::string_view component) { return fmt::format("llmdit.{}_config", component); }

std::optional<io::JsonObject> own_config(const fs::path& path, const io::TensorTable& table,
                                         std::string_view class_name) {
  const auto metadata = table.checkpoint().metadata();
  if (const auto found = metadata.find(config_key(table.component())); found != metadata.end())
    return io::JsonObject::parse(path, found->second);
  if (io::is_folder(path)) return io::read_config(path);
  const fs::path beside = path.parent_path() / "config.json";
  if (!io::is_file(beside)) return std::nullopt;
  auto json = io::JsonObject::read(beside);
  // Folders of single files hold configurations of many things.
  if (class_of(json) != class_name) return std::nullopt;
  return json;
}

bool is_weight_file(const fs::path& path) { return io::is_file(path) && path.extension() != ".json"; }

ModelFiles<ZImageTransformerConfig> open_z_image(const fs::path& path, const fs::path& config_path) {
  return open_files<ZImageTransformerConfig>(z_image_table(io::Checkpoint::open(path)), path, config_path,
                                             "ZImageTransformer2DModel", parse_z_image_config, tell_z_image_config);
}

ModelFiles<Qwen3Config> open_qwen3(const fs::path& path, const fs::path& config_path) {
  auto files = open_files<Qwen3Config>(qwen3_table(io::Checkpoint::open(path)), path, config_path, "Qwen3Model",
                                       parse_qwen3_config, tell_qwen3_config);
  if (files.config.tie_word_embeddings) files.table.forget("lm_head.weight");  // a copy of the embeddings
  return files;
}

ModelFiles<AutoencoderKLConfig> open_autoencoder(const fs::path& path, const fs::path& config_path) {
  return open_files<AutoencoderKLConfig>(autoencoder_table(io::Checkpoint::open(path)), path, config_path,
                                         "AutoencoderKL", parse_autoencoder_config, tell_autoencoder_config);
}

}  // namespace llmdit::models
