#include "llmdit/inspect.hpp"

#include <algorithm>
#include <span>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "io/checkpoint.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/mapped_file.hpp"
#include "io/model_kind.hpp"
#include "io/png.hpp"

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

constexpr std::string_view weight_stems[] = {"diffusion_pytorch_model", "model"};
/// Components of a pipeline in the order in which a prompt meets them; others come last.
constexpr std::string_view flow[] = {"tokenizer", "text_encoder", "transformer", "vae"};
/// Folders with one of these and no config.json hold settings only.
constexpr std::string_view settings_files[] = {"scheduler_config.json", "preprocessor_config.json"};

[[noreturn]] void fail_kind(const fs::path& path, std::string_view problem) {
  fail(ErrorCode::unsupported, "inspect", "{}: {}", io::printable_path(path), problem);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool has_weights(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().native().find(".safetensors") != fs::path::string_type::npos) return true;
  }
  if (error) fail(ErrorCode::not_found, "inspect", "cannot read {}: {}", io::printable_path(folder), error.message());
  return false;
}

FileInfo inspect_weights(const fs::path& path, FileKind kind) {
  const auto checkpoint = io::Checkpoint::open(path, weight_stems);
  FileInfo info;
  info.kind = kind;
  info.path = path;
  info.metadata = checkpoint.metadata();
  for (const std::string& name : checkpoint.names()) {
    const io::TensorEntry& entry = *checkpoint.find(name);
    info.tensors.push_back({name, entry.dtype_name, entry.shape, entry.bytes, checkpoint.file_of(name)});
  }
  info.model = io::tell_model(info.tensors);
  return info;
}

FileInfo inspect_component(const fs::path& folder) {
  FileInfo info = inspect_weights(folder, FileKind::component);
  if (const fs::path path = folder / "config.json"; is_file(path)) {
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
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const fs::path folder = is_folder ? path : path.parent_path();
  const fs::path file =
      !is_folder ? path : folder / (is_file(folder / "tokenizer.json") ? "tokenizer.json" : "tokenizer.model");
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
  if (const fs::path config = folder / "tokenizer_config.json"; is_file(config)) {
    info.model = io::JsonObject::read(config).get_optional<std::string>("tokenizer_class").value_or(info.model);
  }
  return info;
}

/// A folder without a model_index.json. One that has weights and a tokenizer, as transformers writes it, is a
/// component.
FileInfo inspect_plain_folder(const fs::path& folder) {
  if (has_weights(folder)) return inspect_component(folder);
  if (is_file(folder / "tokenizer.json") || is_file(folder / "tokenizer.model")) return inspect_tokenizer(folder);
  if (is_file(folder / "config.json")) return inspect_component(folder);  // says which weights it lacks
  fail_kind(folder,
            "expected a folder with a model_index.json, a tokenizer, or safetensors weights; found none of them");
}

/// Whether `folder` holds settings only, which are read to tell damage.
bool read_settings(const fs::path& folder) {
  if (is_file(folder / "config.json")) return false;
  for (const std::string_view name : settings_files) {
    if (!is_file(folder / name)) continue;
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
  std::error_code ignored;
  if (!fs::is_directory(index.parent_path() / folder, ignored)) {
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
  info.picture = read_png_info(path);
  return info;
}

FileInfo inspect_file(const fs::path& path) {
  const auto mapping = io::MappedFile::open(path);
  const std::string_view bytes(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->bytes().size());
  if (bytes.starts_with(io::png_signature)) return inspect_picture(path);
  if (bytes.starts_with("GGUF")) fail_kind(path, "GGUF files are not handled; expected safetensors");
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
  fail_kind(path, "expected safetensors weights, a tokenizer, a model folder or a PNG picture; found none of them");
}

}  // namespace

FileInfo inspect(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return inspect_file(path);
  return is_file(path / "model_index.json") ? inspect_model_folder(path) : inspect_plain_folder(path);
}

}  // namespace llmdit
