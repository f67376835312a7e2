#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/model_config.hpp"
#include "io/path_kind.hpp"
#include "llmdit/qwen3_vl.hpp"
#include "models/model_files.hpp"

namespace llmdit::models {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string_view>& vision_prefixes() {
  static const std::vector<std::string_view> prefixes = {"model.visual.", "visual."};
  return prefixes;
}

io::TensorTable vision_table(io::Checkpoint checkpoint) {
  const auto published = [](std::string_view name) -> std::vector<io::TensorPart> {
    for (const std::string_view start :
         {"patch_embed.", "pos_embed.", "blocks.", "merger.", "deepstack_merger_list."}) {
      if (name.starts_with(start)) return {{std::string(name)}};
    }
    return {};
  };
  return {std::move(checkpoint),
          {.component = "vision tower", .prefixes = vision_prefixes(), .strays = {}, .published = published}};
}

[[noreturn]] void fail_config(const io::JsonObject& json, std::string_view problem) {
  fail(ErrorCode::unsupported, "qwen3_vl", "{}: {}", io::printable_path(json.path()), problem);
}

double read_vision_theta(const io::JsonObject& json) {
  const double usual = Qwen3VLVisionConfig{}.rope_theta;
  if (!json.has("rope_parameters")) return json.get_or<double>("rope_theta", usual);
  const io::JsonObject rope = json.object("rope_parameters");
  const std::string type = rope.get_or<std::string>("rope_type", "axial");
  if (type != "axial" && type != "default")
    fail_config(json, fmt::format("expected the rope_type of the vision part to be 'axial', found '{}'",
                                  io::printable(type, 60)));
  return rope.get_or<double>("rope_theta", usual);
}

void check_vision(const io::JsonObject& json, const Qwen3VLVisionConfig& c) {
  io::expect_value(json, "hidden_act", std::string("gelu_pytorch_tanh"));
  io::expect_value(json, "in_channels", int64_t{3});
  if (c.hidden_size % c.num_heads != 0 || c.hidden_size / c.num_heads % 4 != 0)
    fail_config(json, fmt::format("expected hidden_size to be a multiple of 4 for each of num_heads, found {} and {}",
                                  c.hidden_size, c.num_heads));
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(c.num_position_embeddings))));
  if (side * side != c.num_position_embeddings)
    fail_config(json, fmt::format("expected num_position_embeddings to be a square number, found {}",
                                  c.num_position_embeddings));
  const auto& taps = c.deepstack_visual_indexes;
  const bool rises = std::ranges::adjacent_find(taps, std::greater_equal<>()) == taps.end();
  if (!rises || (!taps.empty() && (taps.front() < 0 || taps.back() >= c.depth)))
    fail_config(json, fmt::format("expected deepstack_visual_indexes to rise from 0 to {}, found [{}]", c.depth - 1,
                                  fmt::join(taps, ", ")));
}

Qwen3VLVisionConfig parse_vision_config(const io::JsonObject& json) {
  Qwen3VLVisionConfig c;
  c.depth = io::layers(json, "depth");
  c.hidden_size = io::positive(json, "hidden_size");
  c.intermediate_size = io::positive(json, "intermediate_size");
  c.num_heads = io::positive(json, "num_heads");
  c.patch_size = io::positive_or(json, "patch_size", c.patch_size);
  c.temporal_patch_size = io::positive_or(json, "temporal_patch_size", c.temporal_patch_size);
  c.spatial_merge_size = io::positive_or(json, "spatial_merge_size", c.spatial_merge_size);
  c.out_hidden_size = io::positive(json, "out_hidden_size");
  c.num_position_embeddings = io::positive(json, "num_position_embeddings");
  c.deepstack_visual_indexes = json.get<std::vector<int64_t>>("deepstack_visual_indexes");
  c.rope_theta = read_vision_theta(json);
  check_vision(json, c);
  return c;
}

/// The frequencies of each axis, by the newer or the older key.
std::vector<int64_t> read_mrope_section(const io::JsonObject& text) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!text.has(key)) continue;
    const io::JsonObject rope = text.object(key);
    io::expect_value(rope, "mrope_interleaved", true);
    if (rope.has("mrope_section")) return rope.get<std::vector<int64_t>>("mrope_section");
  }
  return {24, 20, 20};
}

void check_fit(const io::JsonObject& json, const Qwen3VLConfig& c) {
  const auto& section = c.mrope_section;
  if (section.size() != 3 || std::ranges::any_of(section, [](int64_t n) { return n < 0 || n > 1 << 16; }))
    fail_config(json, fmt::format("expected mrope_section to be three numbers of frequencies, found [{}]",
                                  fmt::join(section, ", ")));
  if (c.vision.out_hidden_size != c.text.hidden_size)
    fail_config(json, fmt::format("expected out_hidden_size of the vision part to be the language part's hidden_size "
                                  "{}, found {}",
                                  c.text.hidden_size, c.vision.out_hidden_size));
  if (static_cast<int64_t>(c.vision.deepstack_visual_indexes.size()) > c.text.num_hidden_layers)
    fail_config(json, "expected at most as many deepstack_visual_indexes as language layers");
  for (const int64_t id : {c.image_token_id, c.vision_start_token_id, c.vision_end_token_id}) {
    if (id < 0 || id >= c.text.vocab_size)
      fail_config(json, fmt::format("expected token ids below vocab_size {}, found {}", c.text.vocab_size, id));
  }
}

Qwen3VLConfig parse_config(const io::JsonObject& json) {
  const auto type = json.get_or<std::string>("model_type", "qwen3_vl");
  if (type != "qwen3_vl")
    fail_config(json,
                fmt::format("expected model_type 'qwen3_vl', found '{}'; a model that sees is wanted here, such as "
                            "Qwen3-VL-4B-Instruct",
                            io::printable(type, 60)));
  const io::JsonObject text = json.object("text_config");
  Qwen3VLConfig c{.text = parse_qwen3_config(text, {.model_type = "qwen3_vl_text", .rope_theta = 5e5}),
                  .vision = parse_vision_config(json.object("vision_config"))};
  c.text.tie_word_embeddings = json.get_or<bool>("tie_word_embeddings", c.text.tie_word_embeddings);
  c.mrope_section = read_mrope_section(text);
  c.image_token_id = json.get_or<int64_t>("image_token_id", c.image_token_id);
  c.vision_start_token_id = json.get_or<int64_t>("vision_start_token_id", c.vision_start_token_id);
  c.vision_end_token_id = json.get_or<int64_t>("vision_end_token_id", c.vision_end_token_id);
  check_fit(json, c);
  return c;
}

/// Files with the language part alone are common: GGUF, where the vision part is a file of its own, and text encoders.
void check_has_vision(const io::Checkpoint& checkpoint, const io::TensorTable& vision, const fs::path& path) {
  if (!vision.places().empty()) return;
  const std::vector<std::string> names = checkpoint.names();
  const auto has = [&](std::string_view part) {
    return std::ranges::any_of(names, [&](const std::string& name) { return name.starts_with(part); });
  };
  if (has("v.blk.") || has("blk.")) {
    fail(ErrorCode::unsupported, "qwen3_vl",
         "expected the vision weights (model.visual.*) in {}, found {}; llama.cpp keeps the two parts in two files, of "
         "which the mmproj file has the vision part, and neither is handled: use the folder of Qwen3-VL with its "
         "safetensors files",
         io::printable_path(path), has("blk.") ? "the language part of a GGUF model alone" : "an mmproj file");
  }
  fail(
      ErrorCode::unsupported, "qwen3_vl",
      "expected the vision weights (model.visual.*) in {}, found none among {} tensors; they are missing, or this is a "
      "text encoder: use the folder of Qwen3-VL with all of its files",
      io::printable_path(path), names.size());
}

}  // namespace

std::vector<std::string> Qwen3VLFiles::unknown() const {
  std::vector<std::string> names = vision.unknown();
  for (const std::string& name : language.unknown()) {
    if (!io::strip_prefix(name, vision_prefixes())) names.push_back(name);
  }
  return names;
}

Qwen3VLFiles open_qwen3_vl(const fs::path& path) {
  const io::Checkpoint checkpoint = io::Checkpoint::open(path);
  io::TensorTable vision = vision_table(checkpoint);
  check_has_vision(checkpoint, vision, path);
  const fs::path folder = io::is_folder(path) ? path : path.parent_path();
  Qwen3VLFiles files{.language = qwen3_table_of(checkpoint, "vl_encoder"),
                     .vision = std::move(vision),
                     .config = Qwen3VLConfig::load(folder)};
  if (files.config.text.tie_word_embeddings) files.language.forget("lm_head.weight");
  return files;
}

}  // namespace llmdit::models

namespace llmdit {

Qwen3VLConfig Qwen3VLConfig::load(const std::filesystem::path& path) {
  return models::parse_config(io::read_config(path));
}

}  // namespace llmdit
