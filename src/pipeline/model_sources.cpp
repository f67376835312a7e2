#include "llmdit/model_sources.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "io/model_config.hpp"
#include "io/path_kind.hpp"
#include "models/model_files.hpp"
#include "pipeline/single_files.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;
using MakeTable = io::TensorTable (*)(io::Checkpoint);

/// Whether a weight file has tensors of the component; one that is damaged or of a refused kind has not.
bool holds(const fs::path& path, MakeTable make_table) {
  try {
    return !make_table(io::Checkpoint::open(path)).places().empty();
  } catch (const Error&) {
    return false;
  }
}

bool has_tokenizer(const fs::path& folder) {
  return io::is_file(folder / "tokenizer.json") || io::is_file(folder / "tokenizer.model") ||
         io::is_file(folder / "vocab.json");
}

/// Whether a weight file, GGUF as language models come in, brings a tokenizer inside.
bool has_tokenizer_inside(const fs::path& path) {
  return io::is_file(path) && io::Checkpoint::open(path).metadata().contains("tokenizer.ggml.model");
}

/// How a part is looked for where no option names it.
struct PartRule {
  const char* name;  ///< of the component's folder, and before "_path" of its option
  std::span<const std::string_view> comfy_folders;
  MakeTable make_table;
};

constexpr PartRule transformer_rule{"transformer", transformer_folders, models::z_image_table};
constexpr PartRule text_encoder_rule{"text_encoder", text_encoder_folders, models::qwen3_table};
constexpr PartRule vae_rule{"vae", vae_folders, models::autoencoder_table};

std::string flag_of(const PartRule& rule) {
  std::string flag = std::string("--") + rule.name + "-path";
  std::ranges::replace(flag, '_', '-');
  return flag;
}

[[noreturn]] void fail_part(const PartRule& rule, const fs::path& model, std::string_view found) {
  fail(ErrorCode::not_found, "model", "expected a {} in {}, found {}; name one by {} ({}_path)", rule.name,
       model.empty() ? "the options" : io::printable_path(model), found, flag_of(rule), rule.name);
}

/// The one weight file of the component in ComfyUI's folders; its name plays no role.
fs::path find_single_file(const fs::path& model, const PartRule& rule) {
  std::vector<fs::path> found = single_files(model, rule.comfy_folders);
  std::erase_if(found, [&](const fs::path& file) { return !holds(file, rule.make_table); });
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    fail_part(rule, model,
              fmt::format("neither a model_index.json nor such a file in {}", fmt::join(rule.comfy_folders, ", ")));
  }
  std::vector<std::string> names;
  for (const fs::path& file : found) names.push_back(io::printable_path(file.filename()));
  fail_part(rule, model, fmt::format("several ({})", fmt::join(names, ", ")));
}

/// Where the options or the model have a part.
fs::path find_part(const fs::path& model, const std::optional<std::string>& named, const PartRule& rule) {
  if (named) return io::resolve_model_path(io::path_from_utf8(*named));
  if (model.empty()) fail_part(rule, model, "none");
  if (!io::is_folder(model)) {
    if (rule.make_table(io::Checkpoint::open(model)).places().empty()) fail_part(rule, model, "a file without one");
    return model;
  }
  if (io::is_file(model / "model_index.json")) return model / rule.name;
  return find_single_file(model, rule);
}

void check_model_index(const fs::path& model) {
  const auto json = io::read_config(model, "model_index.json");
  const auto name = json.get_or<std::string>("_class_name", "ZImagePipeline");
  constexpr std::string_view known[] = {"ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"};
  if (std::ranges::find(known, name) == std::end(known)) {
    fail(ErrorCode::unsupported, "model", "expected _class_name {} in {}, found {}; is this the right folder?",
         known[0], io::printable_path(json.path()), io::printable(name, 60));
  }
}

}  // namespace

ModelSources::ModelSources(const fs::path& path, const LoadOptions& options) : options_(options) {
  if (path.empty()) return;
  model_ = io::resolve_model_path(path);
  if (is_diffusers_folder()) check_model_index(model_);
}

bool ModelSources::is_diffusers_folder() const { return !model_.empty() && io::is_file(model_ / "model_index.json"); }

fs::path ModelSources::transformer() const { return find_part(model_, options_.transformer_path, transformer_rule); }
fs::path ModelSources::text_encoder() const { return find_part(model_, options_.text_encoder_path, text_encoder_rule); }
fs::path ModelSources::vae() const { return find_part(model_, options_.vae_path, vae_rule); }

fs::path ModelSources::tokenizer() const {
  if (options_.tokenizer_path) return io::resolve_model_path(io::path_from_utf8(*options_.tokenizer_path));
  // A diffusers folder's own tokenizer needs no look at the encoder, whose weights may lie elsewhere.
  const fs::path own = config_of("tokenizer");
  if (!options_.text_encoder_path && !own.empty() && has_tokenizer(own)) return own;
  const fs::path encoder = text_encoder();
  if (options_.text_encoder_path) {
    // An encoder from elsewhere brings its own tokenizer, where it has one.
    const fs::path folder = io::is_folder(encoder) ? encoder : encoder.parent_path();
    if (has_tokenizer(folder)) return folder;
    if (io::is_folder(folder.parent_path() / "tokenizer") && io::is_folder(encoder))
      return folder.parent_path() / "tokenizer";
  }
  if (has_tokenizer_inside(encoder)) return encoder;
  for (const fs::path& folder : {own, model_, encoder}) {
    if (!folder.empty() && has_tokenizer(folder)) return folder;
  }
  fail(ErrorCode::not_found, "model",
       "expected a tokenizer in {}, or inside a GGUF text encoder, found none; name one by --tokenizer-path "
       "(tokenizer_path)",
       io::printable_path(model_.empty() ? encoder.parent_path() : own));
}

fs::path ModelSources::scheduler() const {
  // A diffusers folder must have one; of single files it is the one part whose settings can be assumed.
  const fs::path folder = config_of("scheduler");
  return is_diffusers_folder() || io::is_file(folder / "scheduler_config.json") ? folder : fs::path();
}

fs::path ModelSources::vl_encoder() const {
  if (options_.vl_model_path) return io::resolve_model_path(io::path_from_utf8(*options_.vl_model_path));
  const fs::path own = config_of("vl_encoder");
  if (!own.empty() && io::is_folder(own)) return own;
  fail(ErrorCode::not_found, "model",
       "expected a Qwen3-VL model that reads the reference picture, found none{}; name its folder by --vl-model-path "
       "(vl_model_path)",
       model_.empty() ? "" : " in " + io::printable_path(own));
}

fs::path ModelSources::config_of(const char* part) const { return model_.empty() ? fs::path() : model_ / part; }

}  // namespace llmdit
