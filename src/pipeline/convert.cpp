#include "llmdit/convert.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "base/check.hpp"
#include "base/dtype_table.hpp"
#include "base/option_table.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "io/model_kind.hpp"
#include "io/weight_write.hpp"
#include "models/model_files.hpp"
#include "nn/placement.hpp"
#include "nn/quantize.hpp"
#include "nn/weights.hpp"
#include "pipeline/weight_plan.hpp"

namespace llmdit {

template <>
struct EnumTable<WeightLayout> {
  static constexpr EnumName<WeightLayout> names[] = {
      {WeightLayout::diffusers, "diffusers"}, {WeightLayout::original, "original"}, {WeightLayout::original, "comfy"}};
};

template <>
struct EnumTable<WeightQuantization> {
  static constexpr EnumName<WeightQuantization> names[] = {
      {WeightQuantization::none, "none"}, {WeightQuantization::float8, "fp8"}, {WeightQuantization::int8, "int8"},
      {WeightQuantization::int8, "8bit"}, {WeightQuantization::int4, "int4"},  {WeightQuantization::int4, "4bit"},
      {WeightQuantization::q8_0, "q8_0"}, {WeightQuantization::q4_0, "q4_0"}};
};

namespace {

using Options = ConvertOptions;
using Stored = nn::StoredTensor;

constexpr OptionField convert_fields[] = {
    field<Options, "layout", &Options::layout>(
        {.section = "convert",
         .help = "names of a safetensors file's tensors; original: fused qkv, as ComfyUI has it"}),
    field<Options, "dtype", &Options::dtype>(
        {.section = "convert", .help = "type of what is not quantised; auto keeps it", .flag = "torch-dtype"}),
    field<Options, "quantization", &Options::quantization>(
        {.section = "convert", .help = "kind the matrices of the blocks are turned into"}),
};

/// One weight of the output: what it is called there, and the parts of the model that stand in it one after another.
struct OutputTensor {
  std::string name;
  std::vector<std::string> parts;
  std::vector<int64_t> shape;
};

/// What of a component goes into its copy.
struct Component {
  io::TensorTable table;
  std::string class_name;
  std::optional<std::string> config;   ///< JSON text; nothing for a bare file
  std::optional<Qwen3Config> encoder;  ///< of a text encoder
};

/// Throws unsupported for a model that would not load from its copy either.
template <class Config>
Component whole(models::ModelFiles<Config> files, std::string class_name) {
  const WeightPlan plan = plan_weights(files);
  if (!plan.problems.empty()) {
    fail(ErrorCode::unsupported, "convert", "{}{}", plan.problems.front().text,
         plan.problems.size() > 1 ? fmt::format(" (and {} more)", plan.problems.size() - 1) : "");
  }
  Component component{.table = std::move(files.table), .class_name = std::move(class_name)};
  if (files.json) component.config = files.json->value().dump();
  if constexpr (std::is_same_v<Config, Qwen3Config>) component.encoder = files.config;
  return component;
}

/// The one component that the input holds.
Component open_component(const std::filesystem::path& path) {
  const std::string kind = io::tell_model(io::Checkpoint::open(path));
  const auto holds = [&](std::string_view name) { return kind.find(name) != kind.npos; };
  if (holds("Qwen3Model") + holds("ZImageTransformer2DModel") + holds("AutoencoderKL") == 1) {
    if (holds("Qwen3Model")) return whole(models::open_qwen3(path), "Qwen3Model");
    if (holds("AutoencoderKL")) return whole(models::open_autoencoder(path), "AutoencoderKL");
    return whole(models::open_z_image(path), "ZImageTransformer2DModel");
  }
  fail(ErrorCode::unsupported, "convert",
       "expected the weights of one transformer, text encoder or autoencoder in {}, "
       "found {}",
       io::printable_path(path), kind.empty() ? "none" : kind);
}

/// A block's scale for each row, or for the whole matrix.
at::Tensor scale_of(const at::Tensor& weight, double largest, bool per_row) {
  const at::Tensor magnitude = per_row ? weight.abs().amax(1, /*keepdim=*/true) : weight.abs().amax();
  return magnitude.div(largest).clamp_min(1e-12);
}

class Conversion {
 public:
  Conversion(Component component, const std::filesystem::path& output, const ConvertOptions& options)
      : options_(options),
        output_(output),
        is_gguf_(output.extension() == ".gguf"),
        class_name_(component.class_name),
        config_(std::move(component.config)),
        encoder_(std::move(component.encoder)),
        placement_(placement(options)),
        store_(std::move(component.table), placement_) {
    check(is_gguf_ || output.extension() == ".safetensors", "convert",
          "expected an output that ends in .safetensors or .gguf, got {}", io::printable_path(output));
    using enum WeightQuantization;
    const auto kind = options_.quantization;
    check(!is_gguf_ || kind == none || kind == q8_0 || kind == q4_0, "convert",
          "expected q8_0, q4_0 or none for a GGUF file, got {}", enum_name(kind));
    check(!is_gguf_ || class_name_ != "AutoencoderKL", "convert",
          "autoencoders are not kept in GGUF files; expected a "
          "name that ends in .safetensors");
  }

  ConvertReport run() {
    report_.component = std::string(store_.table().component());
    for (const OutputTensor& tensor : output_tensors()) add(tensor);
    for (const io::TensorSource& source : sources_) report_.bytes += io::stored_bytes(source);
    report_.tensors = static_cast<int64_t>(sources_.size());
    note_losses();
    is_gguf_ ? io::write_gguf(output_, sources_, gguf_metadata())
             : io::write_safetensors(output_, sources_, metadata());
    return report_;
  }

 private:
  static nn::Placement placement(const ConvertOptions& options) {
    LoadOptions load;
    load.device = "cpu";
    load.dtype = options.dtype;
    load.attention_backend = AttentionBackend::sdpa;  // nothing is computed
    return nn::resolve_placement(load);
  }

  bool is_original() const { return is_gguf_ || options_.layout == WeightLayout::original; }

  std::vector<OutputTensor> output_tensors() const {
    std::vector<OutputTensor> result;
    const int64_t levels = store_.table().count_indices("decoder.up_blocks.");
    for (const auto& [name, place] : store_.table().places()) {
      const auto shape = io::TensorTable::shape_of(place);
      if (class_name_ == "ZImageTransformer2DModel") {
        add_transformer_tensor(name, shape, result);
      } else if (class_name_ == "Qwen3Model") {
        const std::string published = name.starts_with("lm_head.") ? name : "model." + name;
        result.push_back({is_gguf_ ? models::llama_cpp_name(name) : published, {name}, shape});
      } else {
        result.push_back(vae_tensor(name, shape, levels));
      }
    }
    return result;
  }

  void note_losses() {
    if (const auto& names = store_.table().unknown(); !names.empty()) {
      report_.warnings.push_back(fmt::format("{} tensors have no place in a {} and are left out: {}", names.size(),
                                             class_name_, io::printable_list(names)));
    }
    if (store_.table().checkpoint().metadata().contains("tokenizer.ggml.model")) {
      report_.warnings.emplace_back(
          "the tokenizer inside the input is left out; load the copy with the input, or another, as its "
          "tokenizer_path");
    }
    if (widened_ > 0) {
      report_.warnings.push_back(fmt::format(
          "{} quantised weights become bf16 and take more room; with a quantization they stay small", widened_));
    }
    if (options_.quantization != WeightQuantization::none && report_.quantized == 0)
      report_.warnings.push_back(fmt::format("nothing is quantised: the {} has no such matrices", report_.component));
  }

  void add_transformer_tensor(const std::string& name, const std::vector<int64_t>& shape,
                              std::vector<OutputTensor>& result) const {
    constexpr std::string_view query = ".attention.to_q.weight";
    if (!is_original()) return result.push_back({name, {name}, shape});
    if (name.ends_with(".attention.to_k.weight") || name.ends_with(".attention.to_v.weight")) return;
    if (!name.ends_with(query)) return result.push_back({models::original_transformer_name(name), {name}, shape});
    const std::string stem = name.substr(0, name.size() - query.size()) + ".attention.";
    result.push_back({stem + "qkv.weight",
                      {stem + "to_q.weight", stem + "to_k.weight", stem + "to_v.weight"},
                      {3 * shape.at(0), shape.at(1)}});
  }

  OutputTensor vae_tensor(const std::string& name, std::vector<int64_t> shape, int64_t levels) const {
    const bool is_projection = name.find(".attentions.0.to_") != std::string::npos && name.ends_with(".weight");
    // 1 x 1 convolutions in single files, matrices in diffusers.
    if (is_projection) shape.resize(2);
    if (is_projection && is_original()) shape.insert(shape.end(), {1, 1});
    return {is_original() ? models::single_file_vae_name(name, levels) : name, {name}, shape};
  }

  Stored read(const std::string& name) {
    return store_.peek(name, io::TensorTable::shape_of(*store_.table().find(name)));
  }

  /// The type of the output where it is not quantised: asked for, or wide enough for every part.
  at::ScalarType number_type(const OutputTensor& tensor) {
    if (placement_.storage) return *placement_.storage;
    std::optional<at::ScalarType> type;
    for (const std::string& part : tensor.parts) {
      const auto& place = *store_.table().find(part);
      const auto stored = place.entry->dtype;
      const bool is_quantized = !stored || place.scale || c10::elementSize(*stored) < 2;
      if (is_quantized) ++widened_;
      at::ScalarType own = is_quantized ? at::kBFloat16 : *stored;
      if (own == at::kDouble) own = at::kFloat;
      type = type ? c10::promoteTypes(*type, own) : own;
    }
    return *type;
  }

  /// The parts one under the other, as numbers. One beyond `largest` would make every picture black.
  at::Tensor widened(const OutputTensor& tensor, at::ScalarType type,
                     double largest = std::numeric_limits<double>::max()) {
    std::vector<at::Tensor> parts;
    for (const std::string& name : tensor.parts) {
      const at::Tensor part = parts.emplace_back(read(name).widen(type));
      const auto found = part.numel() == 0 ? 0.0F : part.to(at::kFloat).abs().max().item<float>();
      if (found <= largest) continue;  // not so for NaN
      fail(ErrorCode::unsupported, "convert",
           "expected finite weights that the type of the copy can hold, found {} in {}; convert to a type of a wider "
           "range",
           found, name);
    }
    return (parts.size() == 1 ? parts.front() : at::cat(parts)).reshape(tensor.shape).contiguous();
  }

  void add(const OutputTensor& tensor) {
    using enum WeightQuantization;
    const bool is_matrix = nn::is_block_matrix(tensor.parts.front(), tensor.shape);
    const bool fills_blocks = tensor.shape.empty() ? false : tensor.shape.back() % 32 == 0;
    const auto kind = is_matrix ? options_.quantization : none;
    if (kind == int8 || kind == float8) return add_scaled(tensor, kind);
    if ((kind == int4 || kind == q4_0 || kind == q8_0) && fills_blocks) return add_blocks(tensor, kind);
    at::ScalarType type = number_type(tensor);
    if (is_gguf_ && tensor.shape.size() < 2) type = at::kFloat;  // readers expect vectors so
    sources_.push_back({.name = tensor.name, .dtype = type, .shape = tensor.shape, .make = [this, tensor, type] {
                          return widened(tensor, type);
                        }});
  }

  void add_blocks(const OutputTensor& tensor, WeightQuantization kind) {
    const auto type = kind == WeightQuantization::q8_0 ? kernels::BlockType::q8_0 : kernels::BlockType::q4_0;
    ++report_.quantized;
    io::TensorSource source{.name = tensor.name, .block = type, .shape = tensor.shape};
    source.make = [this, tensor, type] {
      constexpr double largest_scale = 65504;  // float16
      const at::Tensor weight =
          widened(tensor, at::kFloat, largest_scale * (type == kernels::BlockType::q8_0 ? 127 : 8));
      return nn::quantize_blocks(weight, type).data;
    };
    sources_.push_back(std::move(source));
  }

  /// 8 bits and the scale beside them, in the newer of ComfyUI's spellings.
  void add_scaled(const OutputTensor& tensor, WeightQuantization kind) {
    const bool is_int = kind == WeightQuantization::int8;
    const at::ScalarType type = is_int ? at::kChar : at::kFloat8_e4m3fn;
    const double largest = is_int ? 127.0 : 448.0;
    ++report_.quantized;
    // The scale is told from the weight, which comes first and is widened once.
    const auto scale = std::make_shared<at::Tensor>();
    sources_.push_back({.name = tensor.name,
                        .dtype = type,
                        .shape = tensor.shape,
                        .make = [this, tensor, type, is_int, largest, scale] {
                          const at::Tensor weight = widened(tensor, at::kFloat);
                          *scale = scale_of(weight, largest, is_int);
                          const at::Tensor quotient = weight.div(*scale);
                          return (is_int ? quotient.round() : quotient).to(type);
                        }});
    const std::string stem = tensor.name.substr(0, tensor.name.size() - std::string_view(".weight").size());
    std::vector<int64_t> scale_shape;
    if (is_int) scale_shape = {tensor.shape[0], 1};
    sources_.push_back({.name = stem + ".weight_scale", .dtype = at::kFloat, .shape = scale_shape, .make = [scale] {
                          return *scale;
                        }});
    const std::string text = is_int ? R"({"format": "int8_tensorwise"})" : R"({"format": "float8_e4m3fn"})";
    sources_.push_back(
        {.name = stem + ".comfy_quant",
         .dtype = at::kByte,
         .shape = {static_cast<int64_t>(text.size())},
         .make = [text] {
           return at::from_blob(const_cast<char*>(text.data()), {static_cast<int64_t>(text.size())}, at::kByte).clone();
         }});
  }

  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> result = {{"format", "pt"}};
    if (config_) result.emplace(models::config_key(store_.table().component()), *config_);
    return result;
  }

  io::GgufMetadata gguf_metadata() const {
    io::GgufMetadata result;
    const bool is_encoder = class_name_ == "Qwen3Model";
    result.texts = {{"general.architecture", is_encoder ? "qwen3" : "lumina2"}};
    result.numbers = {{"general.quantization_version", 2}};
    if (config_) result.texts.emplace(models::config_key(store_.table().component()), *config_);
    if (!is_encoder) return result;
    const Qwen3Config& c = *encoder_;
    const auto number = [&](const char* key, int64_t value) {
      result.numbers.emplace(key, static_cast<uint32_t>(value));
    };
    number("qwen3.block_count", c.num_hidden_layers);
    number("qwen3.context_length", c.max_position_embeddings);
    number("qwen3.embedding_length", c.hidden_size);
    number("qwen3.feed_forward_length", c.intermediate_size);
    number("qwen3.attention.head_count", c.num_attention_heads);
    number("qwen3.attention.head_count_kv", c.num_key_value_heads);
    number("qwen3.attention.key_length", c.head_dim);
    number("qwen3.attention.value_length", c.head_dim);
    result.floats = {{"qwen3.rope.freq_base", static_cast<float>(c.rope_theta)},
                     {"qwen3.attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_norm_eps)}};
    return result;
  }

  ConvertOptions options_;
  std::filesystem::path output_;
  bool is_gguf_;
  std::string class_name_;
  std::optional<std::string> config_;
  std::optional<Qwen3Config> encoder_;
  nn::Placement placement_;
  nn::WeightStore store_;
  std::vector<io::TensorSource> sources_;
  int64_t widened_ = 0;  // tensors that were quantised in the input and are not in the output
  ConvertReport report_;
};

}  // namespace

template <>
std::span<const OptionField> option_fields<ConvertOptions>() {
  return convert_fields;
}

ConvertReport convert_weights(const std::filesystem::path& input, const std::filesystem::path& output,
                              const ConvertOptions& options) {
  return translate_errors("convert", [&] {
    check_options(options);
    const c10::NoGradGuard guard;
    const auto path = io::resolve_model_path(input);
    return Conversion(open_component(path), output, options).run();
  });
}

}  // namespace llmdit
