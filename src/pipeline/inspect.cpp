#include "llmdit/inspect.hpp"

#include <algorithm>
#include <span>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "io/checkpoint.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "io/image_codec.hpp"
#include "io/json.hpp"
#include "io/mapped_file.hpp"
#include "io/model_kind.hpp"
#include "io/path_kind.hpp"
#include "llmdit/tokenizer.hpp"
#include "models/model_files.hpp"
#include "pipeline/inspect_lora.hpp"
#include "pipeline/single_files.hpp"
#include "pipeline/weight_plan.hpp"

namespace llmdit {

template <>
struct EnumTable<FileKind> {
  static constexpr EnumName<FileKind> names[] = {
      {FileKind::weights, "weights"},     {FileKind::component, "component"}, {FileKind::model_folder, "model_folder"},
      {FileKind::tokenizer, "tokenizer"}, {FileKind::picture, "picture"},
  };
};

std::string_view file_kind_name(FileKind kind) noexcept { return enum_name(kind); }

namespace {

namespace fs = std::filesystem;

/// Components of a pipeline in the order in which a prompt meets them; others come last.
constexpr std::string_view flow[] = {"tokenizer", "text_encoder", "transformer", "vae"};
/// Folders with one of these and no config.json hold settings only.
constexpr std::string_view settings_files[] = {"scheduler_config.json", "preprocessor_config.json"};

[[noreturn]] void fail_kind(const fs::path& path, std::string_view problem) {
  fail(ErrorCode::unsupported, "inspect", "{}: {}", io::printable_path(path), problem);
}

bool has_weights(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = io::printable_path(entry.path().filename());
    if (name.find(".safetensors") != name.npos || name.ends_with(".gguf")) return true;
  }
  if (error) fail(ErrorCode::not_found, "inspect", "cannot read {}: {}", io::printable_path(folder), error.message());
  return false;
}

std::string describe(const ZImageTransformerConfig& c) {
  return fmt::format("{} layers, {} refiners, width {}, {} heads, captions of width {} up to {} tokens", c.n_layers,
                     c.n_refiner_layers, c.dim, c.n_heads, c.cap_feat_dim, max_caption_len(c));
}

std::string describe(const Qwen3Config& c) {
  return fmt::format("{} layers, width {}, {}/{} heads of width {}, vocabulary of {}", c.num_hidden_layers,
                     c.hidden_size, c.num_attention_heads, c.num_key_value_heads, c.head_dim, c.vocab_size);
}

std::string describe(const AutoencoderKLConfig& c) {
  return fmt::format("{} latent channels, {} pixels a latent, channels {}", c.latent_channels, c.vae_scale_factor(),
                     fmt::join(c.block_out_channels, "/"));
}

/// Notes in `tensors` where the component's tensors go.
void note_places(const io::TensorTable& table, std::vector<TensorInfo>& tensors) {
  std::map<std::string_view, TensorInfo*> by_name;
  for (TensorInfo& tensor : tensors) by_name.emplace(tensor.name, &tensor);
  for (const auto& [name, place] : table.places()) by_name.at(place.entry->name)->becomes.push_back(name);
}

/// Builds the model from tensors without data, which tells what would be missing.
template <class Config>
ComponentInfo plan_load(std::string_view component, std::string_view class_name, const fs::path& path,
                        models::ModelFiles<Config> (*open)(const fs::path&, const fs::path&),
                        std::vector<TensorInfo>& tensors) {
  ComponentInfo info{.component = std::string(component), .model = std::string(class_name)};
  try {
    const auto files = open(path, {});
    note_places(files.table, tensors);
    info.sizes = describe(files.config);
    WeightPlan plan = plan_weights(files);
    for (const nn::WeightProblem& problem : plan.problems) info.problems.push_back(problem.text);
    info.unused = std::move(plan.unused);
  } catch (const Error& error) {
    info.problems.emplace_back(error.what());
  }
  return info;
}

/// Whether the file has tensors of the component. One that is refused as a whole is of the model it looks like.
bool may_hold(io::TensorTable (*make_table)(io::Checkpoint), const io::Checkpoint& checkpoint, bool looks_like_it) {
  try {
    return !make_table(checkpoint).places().empty();
  } catch (const Error&) {
    return looks_like_it;
  }
}

/// The tokenizer that a GGUF file brings along.
ComponentInfo plan_tokenizer(const fs::path& path) {
  ComponentInfo info{.component = "tokenizer", .model = "Qwen2Tokenizer"};
  try {
    info.sizes = fmt::format("{} tokens", Tokenizer::load(path).vocab_size());
  } catch (const Error& error) {
    info.problems.emplace_back(error.what());
  }
  return info;
}

std::vector<ComponentInfo> plan_loads(const fs::path& path, const io::Checkpoint& checkpoint,
                                      std::vector<TensorInfo>& tensors) {
  std::vector<ComponentInfo> loads;
  const std::string model = io::tell_model(checkpoint);
  if (model == "LoRA") return {plan_lora(tensors)};
  if (checkpoint.metadata().contains("tokenizer.ggml.model")) loads.push_back(plan_tokenizer(path));
  const auto looks_like = [&](std::string_view name) { return model.find(name) != model.npos; };
  if (may_hold(models::qwen3_table, checkpoint, looks_like("Qwen3Model")))
    loads.push_back(plan_load<Qwen3Config>("text_encoder", "Qwen3Model", path, models::open_qwen3, tensors));
  if (may_hold(models::z_image_table, checkpoint, looks_like("ZImage"))) {
    loads.push_back(plan_load<ZImageTransformerConfig>("transformer", "ZImageTransformer2DModel", path,
                                                       models::open_z_image, tensors));
  }
  if (may_hold(models::autoencoder_table, checkpoint, looks_like("Autoencoder")))
    loads.push_back(plan_load<AutoencoderKLConfig>("vae", "AutoencoderKL", path, models::open_autoencoder, tensors));
  return loads;
}

FileInfo inspect_weights(const fs::path& path, FileKind kind) {
  const auto checkpoint = io::Checkpoint::open(path);
  FileInfo info;
  info.kind = kind;
  info.path = path;
  info.metadata = checkpoint.metadata();
  for (const std::string& name : checkpoint.names()) {
    const io::TensorEntry& entry = *checkpoint.find(name);
    info.tensors.push_back({name, entry.dtype_name, entry.shape, entry.bytes, checkpoint.file_of(name), {}});
  }
  info.model = io::tell_model(checkpoint);
  info.loads = plan_loads(path, checkpoint, info.tensors);
  return info;
}

FileInfo inspect_component(const fs::path& folder) {
  FileInfo info = inspect_weights(folder, FileKind::component);
  if (const fs::path path = folder / "config.json"; io::is_file(path)) {
    const auto config = io::JsonObject::read(path);
    if (const auto classes = config.get_optional<std::vector<std::string>>("architectures");
        classes && !classes->empty()) {
      info.model = classes->front();
    }
    info.model = config.get_optional<std::string>("_class_name").value_or(info.model);
  }
  return info;
}

/// `path` is a tokenizer.json, a tokenizer.model, or a folder with one; the JSON file goes first.
FileInfo inspect_tokenizer(const fs::path& path) {
  const bool is_folder = io::is_folder(path);
  const fs::path folder = is_folder ? path : path.parent_path();
  const fs::path file =
      !is_folder ? path : folder / (io::is_file(folder / "tokenizer.json") ? "tokenizer.json" : "tokenizer.model");
  FileInfo info;
  info.kind = FileKind::tokenizer;
  info.path = path;
  if (file.extension() == ".json") {
    info.model = io::JsonObject::read(file).object("model").get_optional<std::string>("type").value_or("BPE");
  } else {
    const auto mapping = io::MappedFile::open(file);
    const auto bytes = mapping->bytes();
    // SentencePiece models are protobuf messages whose first field, number 1, is the list of pieces.
    if (bytes.empty() || bytes[0] != std::byte{0x0a})
      fail_kind(file, "expected a SentencePiece model, found other data");
    info.model = "SentencePiece";
  }
  if (const fs::path config = folder / "tokenizer_config.json"; io::is_file(config)) {
    info.model = io::JsonObject::read(config).get_optional<std::string>("tokenizer_class").value_or(info.model);
  }
  return info;
}

/// A folder of single files as ComfyUI has them: each of its files is a part.
FileInfo inspect_comfy_folder(const fs::path& folder, const std::vector<fs::path>& files) {
  FileInfo info;
  info.kind = FileKind::model_folder;
  info.path = folder;
  info.model = "single files";
  for (const fs::path& file : files) info.components.push_back(inspect_weights(file, FileKind::weights));
  return info;
}

/// A folder without a model_index.json. One that has weights and a tokenizer, as transformers writes it, is a
/// component.
FileInfo inspect_plain_folder(const fs::path& folder) {
  if (has_weights(folder)) return inspect_component(folder);
  if (io::is_file(folder / "tokenizer.json") || io::is_file(folder / "tokenizer.model"))
    return inspect_tokenizer(folder);
  if (io::is_file(folder / "config.json")) return inspect_component(folder);  // says which weights it lacks
  if (const auto files = single_files(folder); !files.empty()) return inspect_comfy_folder(folder, files);
  fail_kind(folder,
            "expected a folder with a model_index.json, a tokenizer, weights, or folders of single files as "
            "ComfyUI has them; found none of them");
}

/// Whether `folder` holds settings only, which are read to tell damage.
bool read_settings(const fs::path& folder) {
  if (io::is_file(folder / "config.json")) return false;
  for (const std::string_view name : settings_files) {
    if (!io::is_file(folder / name)) continue;
    io::JsonObject::read(folder / name);
    return true;
  }
  return false;
}

fs::path component_folder(const fs::path& index, const std::string& name) {
  const fs::path folder = io::path_from_utf8(name);
  if (folder != folder.filename() || name == ".." || name == ".") {
    fail_kind(index, fmt::format("expected component names to be folder names, found \"{}\"", io::printable(name)));
  }
  if (!io::is_folder(index.parent_path() / folder)) {
    fail(ErrorCode::not_found, "inspect", "{} names the component {}, which is missing; get it again",
         io::printable_path(index), io::printable_path(index.parent_path() / folder));
  }
  return index.parent_path() / folder;
}

FileInfo inspect_model_folder(const fs::path& folder) {
  const auto index = io::JsonObject::read(folder / "model_index.json");
  FileInfo info;
  info.kind = FileKind::model_folder;
  info.path = folder;
  info.model = index.get<std::string>("_class_name");
  for (const auto& [name, value] : index.value().items()) {
    // [library, class]; [null, null] is a component that is switched off, anything else a setting.
    const bool is_component = value.is_array() && value.size() == 2 && value[1].is_string();
    if (!is_component) continue;
    info.metadata[name] = value[1].get<std::string>();
    const fs::path part = component_folder(index.path(), name);
    if (!read_settings(part)) info.components.push_back(inspect_plain_folder(part));
  }
  std::stable_sort(info.components.begin(), info.components.end(), [](const FileInfo& a, const FileInfo& b) {
    const auto rank = [](const FileInfo& part) {
      return std::find(std::begin(flow), std::end(flow), io::printable_path(part.path.filename()));
    };
    return rank(a) < rank(b);
  });
  return info;
}

FileInfo inspect_picture(const fs::path& path) {
  FileInfo info;
  info.kind = FileKind::picture;
  info.path = path;
  info.picture = read_image_info(path);
  return info;
}

FileInfo inspect_file(const fs::path& path) {
  const auto mapping = io::MappedFile::open(path);
  const std::string_view bytes(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->bytes().size());
  if (io::image_format_of_content(bytes)) return inspect_picture(path);
  if (bytes.starts_with("GGUF")) return inspect_weights(path, FileKind::weights);
  if (bytes.starts_with("PK\x03\x04")) fail_kind(path, "PyTorch pickles are never opened; convert it to safetensors");

  const std::string name = io::printable_path(path.filename());
  if (name == "model_index.json") return inspect_model_folder(path.parent_path());
  if (name == "tokenizer.json" || name == "tokenizer.model") return inspect_tokenizer(path);
  if (name.ends_with(".json") && name.find(".safetensors.index.") != name.npos) {
    return inspect_weights(path, FileKind::component);
  }
  // Behind eight bytes of length the header of a safetensors file begins.
  if (path.extension() == ".safetensors" || (bytes.size() > 8 && bytes[8] == '{')) {
    return inspect_weights(path, FileKind::weights);
  }
  fail_kind(
      path,
      "expected safetensors weights, a tokenizer, a model folder or a PNG, JPEG or WebP picture; found none of them");
}

}  // namespace

FileInfo inspect(const fs::path& name) {
  const fs::path path = io::resolve_model_path(name);
  if (!io::is_folder(path)) return inspect_file(path);
  return io::is_file(path / "model_index.json") ? inspect_model_folder(path) : inspect_plain_folder(path);
}

}  // namespace llmdit
