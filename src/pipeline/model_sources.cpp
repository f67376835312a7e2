#include "pipeline/model_sources.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "io/model_config.hpp"
#include "models/model_files.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;
using MakeTable = io::TensorTable (*)(io::Checkpoint);

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// Whether a weight file has tensors of the component; one that is damaged or of a refused kind has not.
bool holds(const fs::path& path, MakeTable make_table) {
  try {
    return !make_table(io::Checkpoint::open(path)).places().empty();
  } catch (const Error&) {
    return false;
  }
}

bool has_tokenizer(const fs::path& folder) {
  return is_file(folder / "tokenizer.json") || is_file(folder / "tokenizer.model") || is_file(folder / "vocab.json");
}

/// Whether a weight file, GGUF as language models come in, brings a tokenizer inside.
bool has_tokenizer_inside(const fs::path& path) {
  return is_file(path) && io::Checkpoint::open(path).metadata().contains("tokenizer.ggml.model");
}

/// How a part is looked for where no option names it.
struct PartRule {
  const char* name;  ///< of the component's folder, and before "_path" of its option
  std::span<const std::string_view> comfy_folders;
  MakeTable make_table;
};

constexpr std::string_view transformer_folders[] = {"diffusion_models", "unet"};
constexpr std::string_view text_encoder_folders[] = {"text_encoders", "clip"};
constexpr std::string_view vae_folders[] = {"vae"};

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
  std::vector<fs::path> found;
  for (const std::string_view folder : rule.comfy_folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(model / folder, error)) {
      const bool is_weights = entry.path().extension() == ".safetensors" || entry.path().extension() == ".gguf";
      if (is_weights && holds(entry.path(), rule.make_table)) found.push_back(entry.path());
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    fail_part(rule, model,
              fmt::format("neither a model_index.json nor such a file in {}", fmt::join(rule.comfy_folders, ", ")));
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  for (const fs::path& file : found) names.push_back(io::printable_path(file.filename()));
  fail_part(rule, model, fmt::format("several ({})", fmt::join(names, ", ")));
}

fs::path find_part(const fs::path& model, const std::optional<std::string>& named, const PartRule& rule) {
  if (named) return io::resolve_model_path(io::path_from_utf8(*named));
  if (model.empty()) fail_part(rule, model, "none");
  if (!is_folder(model)) {
    if (rule.make_table(io::Checkpoint::open(model)).places().empty()) fail_part(rule, model, "a file without one");
    return model;
  }
  if (is_file(model / "model_index.json")) return model / rule.name;
  return find_single_file(model, rule);
}

/// The tokenizer of the model, or what came with the text encoder.
fs::path find_tokenizer(const ModelSources& sources, const LoadOptions& options) {
  if (options.tokenizer_path) return io::resolve_model_path(io::path_from_utf8(*options.tokenizer_path));
  if (options.text_encoder_path) {
    // An encoder from elsewhere brings its own tokenizer, where it has one.
    const fs::path folder = is_folder(sources.text_encoder) ? sources.text_encoder : sources.text_encoder.parent_path();
    if (has_tokenizer(folder)) return folder;
    if (is_folder(folder.parent_path() / "tokenizer") && is_folder(sources.text_encoder))
      return folder.parent_path() / "tokenizer";
  }
  if (has_tokenizer_inside(sources.text_encoder)) return sources.text_encoder;
  for (const fs::path& folder : {sources.model / "tokenizer", sources.model, sources.text_encoder}) {
    if (has_tokenizer(folder)) return folder;
  }
  fail(ErrorCode::not_found, "model",
       "expected a tokenizer in {}, or inside a GGUF text encoder, found none; name one by --tokenizer-path "
       "(tokenizer_path)",
       io::printable_path(sources.model / "tokenizer"));
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

ModelSources find_sources(const fs::path& path, const LoadOptions& options) {
  ModelSources sources;
  if (!path.empty()) sources.model = io::resolve_model_path(path);
  if (is_folder(sources.model) && is_file(sources.model / "model_index.json")) check_model_index(sources.model);
  sources.transformer = find_part(sources.model, options.transformer_path, transformer_rule);
  sources.text_encoder = find_part(sources.model, options.text_encoder_path, text_encoder_rule);
  sources.vae = find_part(sources.model, options.vae_path, vae_rule);
  if (sources.model.empty()) sources.model = sources.transformer;
  sources.tokenizer = find_tokenizer(sources, options);
  // A diffusers folder must have one; of single files it is the one part whose settings can be assumed.
  const bool is_diffusers = is_file(sources.model / "model_index.json");
  if (is_diffusers || is_file(sources.model / "scheduler" / "scheduler_config.json"))
    sources.scheduler = sources.model / "scheduler";
  return sources;
}

}  // namespace llmdit
