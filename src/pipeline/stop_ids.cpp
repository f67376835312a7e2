#include <algorithm>
#include <charconv>
#include <optional>

#include "io/json.hpp"
#include "io/path_kind.hpp"
#include "pipeline/text_generation.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;

std::optional<io::JsonObject> read_if_there(const fs::path& path) {
  if (!io::is_file(path)) return std::nullopt;
  return io::JsonObject::read(path);
}

/// "eos_token": a text, or an object with the text as its content.
std::optional<std::string> eos_token(const io::JsonObject& tokenizer_config) {
  const auto found = tokenizer_config.value().find("eos_token");
  if (found == tokenizer_config.value().end() || found->is_null()) return std::nullopt;
  return found->is_object() ? tokenizer_config.object("eos_token").get<std::string>("content")
                            : tokenizer_config.get<std::string>("eos_token");
}

/// "eos_token_id": one or a list.
std::vector<int64_t> eos_ids(const io::JsonObject& config) {
  if (!config.has("eos_token_id")) return {};
  if (config.value().find("eos_token_id")->is_array()) return config.get<std::vector<int64_t>>("eos_token_id");
  return {config.get<int64_t>("eos_token_id")};
}

std::vector<int64_t> model_eos_ids(const io::Checkpoint& model) {
  const fs::path& path = model.path();
  const fs::path folder = io::is_folder(path) ? path : path.parent_path();
  if (const auto config = read_if_there(folder / "generation_config.json")) return eos_ids(*config);
  // Beside a bare file lies whatever it may.
  const auto config = io::is_folder(path) ? read_if_there(folder / "config.json") : std::nullopt;
  return config ? eos_ids(*config) : std::vector<int64_t>{};
}

std::optional<int64_t> gguf_eos_id(const io::Checkpoint& model) {
  const auto metadata = model.metadata();
  const auto found = metadata.find("tokenizer.ggml.eos_token_id");
  if (found == metadata.end()) return std::nullopt;
  int64_t id = 0;
  const auto [end, error] = std::from_chars(found->second.data(), found->second.data() + found->second.size(), id);
  return error == std::errc() ? std::optional(id) : std::nullopt;
}

}  // namespace

std::vector<int64_t> find_stop_ids(const Tokenizer& tokenizer, const io::Checkpoint& model) {
  std::vector<int64_t> ids = model_eos_ids(model);
  if (const auto id = gguf_eos_id(model)) ids.push_back(*id);
  std::vector<std::string> tokens = {"<|im_end|>", "<|endoftext|>"};
  if (const auto config = read_if_there(tokenizer.path().parent_path() / "tokenizer_config.json")) {
    if (auto token = eos_token(*config)) tokens.push_back(*std::move(token));
  }
  for (const std::string& token : tokens) {
    if (const auto id = tokenizer.token_to_id(token)) ids.push_back(*id);
  }
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  return ids;
}

}  // namespace llmdit
