#include "llmdit/embedding_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/path_kind.hpp"
#include "io/safetensors.hpp"
#include "io/weight_write.hpp"
#include "llmdit/version.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kOperation = "embedding_file";
constexpr const char* kUnknown = "<unknown>";

std::string tensor_name(size_t index, size_t count) {
  return count == 1 ? "embeddings" : fmt::format("embeddings_{}", index);
}

fs::path with_suffix(fs::path path) {
  if (path.extension().empty()) path += ".safetensors";
  return path;
}

fs::path sidecar_of(fs::path path) { return path.replace_extension(".json"); }

bool is_finite(const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

void check_output(const EncodingOutput& output, const SaveEmbeddingsOptions& options) {
  check(!output.embeddings.empty(), kOperation, "expected embeddings of at least one text, got none");
  for (const at::Tensor& embeddings : output.embeddings) {
    check(embeddings.defined() && embeddings.dim() == 2 && embeddings.numel() > 0 && embeddings.is_floating_point(),
          kOperation, "expected embeddings [tokens, hidden_size] of a floating type, got {}",
          embeddings.defined() ? fmt::format("[{}]", fmt::join(embeddings.sizes(), ", ")) : "nothing");
    check(embeddings.size(1) == output.embeddings.front().size(1), kOperation,
          "expected embeddings of one width, got {} and {}", output.embeddings.front().size(1), embeddings.size(1));
    check(is_finite(embeddings), kOperation, "expected finite embeddings, got NaN or infinity among them");
  }
  check(!options.sidecar || output.embeddings.size() == 1, kOperation,
        "expected the embeddings of one text beside a JSON file, got those of {}; leave the sidecar out",
        output.embeddings.size());
}

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts)};
}

const char* torch_name(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return "torch.bfloat16";
    case at::kHalf:
      return "torch.float16";
    case at::kDouble:
      return "torch.float64";
    default:
      return "torch.float32";
  }
}

std::string value_or(const EncodingOutput& output, const char* key, const char* fallback) {
  const auto found = output.metadata.find(key);
  return found == output.metadata.end() ? fallback : found->second;
}

/// In the keys of llm-dit-experiments.
json sidecar_json(const EncodingOutput& output) {
  const at::Tensor& embeddings = output.embeddings.front();
  const std::string thinking = value_or(output, "thinking_content", "");
  return {{"prompt", output.prompts.empty() ? kUnknown : output.prompts.front()},
          {"template", value_or(output, "template", "").empty() ? json() : json(output.metadata.at("template"))},
          {"enable_thinking", !thinking.empty() || value_or(output, "force_think_block", "false") == "true"},
          {"system_prompt", value_or(output, "system_prompt", "")},
          {"thinking_content", thinking},
          {"sequence_length", embeddings.size(0)},
          {"embedding_dim", embeddings.size(1)},
          {"dtype", torch_name(embeddings.scalar_type())},
          {"created_at", local_time()},
          {"encoder_device", kUnknown},
          {"model_path", value_or(output, "encoder", kUnknown)}};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::map<std::string, std::string> header_of(const EncodingOutput& output) {
  json ours = output.metadata;
  ours["llmdit_version"] = version();
  ours["formatted_prompts"] = output.formatted_prompts;
  return {{"format", "pt"},
          {"count", std::to_string(output.embeddings.size())},
          {"prompts", dump(output.prompts)},
          {"custom_metadata", dump(output.metadata)},
          {"llmdit", dump(ours)}};
}

/// Sets what a JSON object of texts says: the kinds of other programs hold all sorts of values, which are kept as text.
void read_metadata(const io::JsonObject& object, EncodingOutput& output) {
  for (const auto& [key, value] : object.value().items()) {
    if (key == "formatted_prompts") {
      output.formatted_prompts = object.get<std::vector<std::string>>(key);
    } else if (!value.is_null()) {
      output.metadata[key] = value.is_string() ? value.get<std::string>() : dump(value);
    }
  }
}

void read_header(const io::SafetensorsFile& file, EncodingOutput& output) {
  const auto& header = file.metadata();
  const auto text_at = [&](const char* key) -> const std::string* {
    const auto found = header.find(key);
    return found == header.end() ? nullptr : &found->second;
  };
  if (const std::string* ours = text_at("llmdit")) {
    read_metadata(io::JsonObject::parse(file.path(), *ours), output);
  } else if (const std::string* custom = text_at("custom_metadata")) {
    read_metadata(io::JsonObject::parse(file.path(), *custom), output);
  }
  if (const std::string* prompts = text_at("prompts")) {
    const io::JsonObject wrapped(file.path(), json{{"prompts", json::parse(*prompts, nullptr, false)}});
    output.prompts = wrapped.get<std::vector<std::string>>("prompts");
  }
  const fs::path sidecar = sidecar_of(file.path());
  if (!header.contains("llmdit") && io::is_file(sidecar)) {
    const auto object = io::JsonObject::read(sidecar);
    read_metadata(object, output);
    if (output.prompts.empty()) output.prompts.push_back(object.get_or<std::string>("prompt", kUnknown));
  }
}

/// "embeddings", or "embeddings_0" and so on without a gap.
std::vector<const io::TensorEntry*> find_embeddings(const io::SafetensorsFile& file) {
  std::vector<const io::TensorEntry*> found;
  if (const auto* one = file.find("embeddings")) found.push_back(one);
  for (size_t i = 0; found.size() == i; ++i) {
    if (const auto* next = file.find(fmt::format("embeddings_{}", i))) found.push_back(next);
  }
  return found;
}

at::Tensor read_tensor(const io::SafetensorsFile& file, const io::TensorEntry& entry) {
  const std::string where = fmt::format("{}: {}", io::printable_path(file.path()), io::printable(entry.name));
  at::Tensor tensor = file.tensor(entry);
  if (tensor.dim() == 3 && tensor.size(0) == 1) tensor = tensor[0];
  if (tensor.dim() != 2 || tensor.numel() == 0 || !tensor.is_floating_point()) {
    fail(ErrorCode::unsupported, kOperation, "{}: expected numbers [tokens, hidden_size], found {} [{}]", where,
         entry.dtype_name, fmt::join(entry.shape, ", "));
  }
  if (!is_finite(tensor)) {
    fail(ErrorCode::unsupported, kOperation,
         "{}: expected finite numbers, found NaN or infinity; encode the prompt again", where);
  }
  return tensor.clone();  // the file may be replaced while they are in use
}

[[noreturn]] void refuse_pickle(const fs::path& path) {
  fail(ErrorCode::unsupported, kOperation,
       "{}: PyTorch's own files are programs and are not opened; write it as safetensors with Python: "
       "safetensors.torch.save_file({{\"embeddings\": torch.load(path, "
       "weights_only=True)[\"embeddings\"].contiguous()}}, "
       "\"embeddings.safetensors\")",
       io::printable_path(path));
}

EncodingOutput read_file(const fs::path& path) {
  if (path.extension() == ".pt" || path.extension() == ".pth" || path.extension() == ".bin") refuse_pickle(path);
  const auto file = io::SafetensorsFile::open(path);
  EncodingOutput output;
  const auto found = find_embeddings(*file);
  if (found.empty()) {
    std::vector<std::string> names;
    for (const io::TensorEntry& entry : file->entries()) names.push_back(entry.name);
    fail(ErrorCode::unsupported, kOperation,
         "{}: expected a tensor \"embeddings\", or \"embeddings_0\" and so on, found {}; is this a file of embeddings?",
         io::printable_path(path), names.empty() ? "none" : io::printable_list(names));
  }
  for (const io::TensorEntry* entry : found) output.embeddings.push_back(read_tensor(*file, *entry));
  for (const at::Tensor& embeddings : output.embeddings) {
    output.token_counts.push_back(embeddings.size(0));
    if (embeddings.size(1) == output.embeddings.front().size(1)) continue;
    fail(ErrorCode::unsupported, kOperation, "{}: expected embeddings of one width, found {} and {}",
         io::printable_path(path), output.embeddings.front().size(1), embeddings.size(1));
  }
  read_header(*file, output);
  if (const size_t rest = file->entries().size() - found.size(); rest > 0)
    output.warnings.push_back(
        fmt::format("{}: {} tensors of other names are not read", io::printable_path(path), rest));
  for (auto* texts : {&output.prompts, &output.formatted_prompts}) {
    if (texts->empty() || texts->size() == found.size()) continue;
    output.warnings.push_back(fmt::format("{}: names {} texts beside {} embeddings; its texts are left out",
                                          io::printable_path(path), texts->size(), found.size()));
    texts->clear();
  }
  return output;
}

}  // namespace

void describe_encoding(EncodingOutput& output, std::span<const std::string> prompts, const ChatOptions& given) {
  const std::optional<Template> used = template_of(given);
  const ChatOptions chat = resolve_template(given);
  output.prompts.assign(prompts.begin(), prompts.end());
  const auto note = [&](const char* key, const std::string& text) {
    if (!text.empty()) output.metadata[key] = text;
  };
  if (used) note("template", used->name);
  note("system_prompt", chat.system_prompt);
  note("thinking_content", chat.thinking_content);
  note("assistant_content", chat.assistant_content);
  if (chat.force_think_block.value_or(false)) note("force_think_block", "true");
  if (chat.strip_quotes) note("strip_quotes", "true");
  if (chat.clean_whitespace) note("clean_whitespace", "true");
}

fs::path save_embeddings(const fs::path& path, const EncodingOutput& output, const SaveEmbeddingsOptions& options) {
  return translate_errors(kOperation, [&] {
    check_output(output, options);
    const fs::path target = with_suffix(path);
    check(target.extension() == ".safetensors", kOperation, "expected a file of suffix .safetensors, got {}",
          io::printable_path(target));
    std::vector<io::TensorSource> tensors;
    for (size_t i = 0; i < output.embeddings.size(); ++i) {
      const at::Tensor& embeddings = output.embeddings[i];
      tensors.push_back({.name = tensor_name(i, output.embeddings.size()),
                         .dtype = embeddings.scalar_type(),
                         .shape = embeddings.sizes().vec(),
                         .make = [&embeddings] { return embeddings.detach().to(at::kCPU).contiguous(); }});
    }
    io::write_safetensors(target, tensors, header_of(output));
    if (options.sidecar) {
      const std::string text = sidecar_json(output).dump(2, ' ', false, json::error_handler_t::replace) + "\n";
      io::write_file_atomically(sidecar_of(target), std::as_bytes(std::span(text)));
    }
    return target;
  });
}

EncodingOutput load_embeddings(const fs::path& path) {
  return translate_errors(kOperation, [&] { return read_file(path); });
}

}  // namespace llmdit
