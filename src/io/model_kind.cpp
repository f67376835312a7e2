#include "io/model_kind.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace llmdit::io {
namespace {

using Tensors = std::vector<TensorInfo>;

const TensorInfo* find(const Tensors& tensors, const std::string& name) {
  const auto found =
      std::lower_bound(tensors.begin(), tensors.end(), name,
                       [](const TensorInfo& tensor, const std::string& key) { return tensor.name < key; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

bool has_all(const Tensors& tensors, std::string_view prefix, std::initializer_list<std::string_view> names) {
  return std::all_of(names.begin(), names.end(),
                     [&](std::string_view name) { return find(tensors, std::string(prefix).append(name)) != nullptr; });
}

/// An adapter's tensors have the stems of its model's, and only their last part tells.
bool is_adapter(const Tensors& tensors) {
  constexpr std::string_view inside[] = {".lora_A",    ".lora_B",  ".lora_up",   ".lora_down",         ".lora.up",
                                         ".lora.down", "_lora.up", "_lora.down", ".lora_linear_layer", ".hada_w",
                                         ".lokr_w"};
  constexpr std::string_view endings[] = {".diff", ".diff_b", ".dora_scale"};
  return std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
    const auto contains = [&](std::string_view part) { return tensor.name.find(part) != std::string::npos; };
    const auto ends = [&](std::string_view part) { return tensor.name.ends_with(part); };
    return std::any_of(std::begin(inside), std::end(inside), contains) ||
           std::any_of(std::begin(endings), std::end(endings), ends);
  });
}

std::string tell_transformer(const Tensors& tensors) {
  for (const std::string prefix : {"", "model.diffusion_model.", "diffusion_model.", "transformer."}) {
    if (!has_all(tensors, prefix, {"cap_embedder.0.weight", "layers.0.adaLN_modulation.0.weight"})) continue;
    const TensorInfo* projection = find(tensors, prefix + "cap_embedder.1.weight");
    const bool is_lumina = projection && !projection->shape.empty() && projection->shape[0] == 2304;
    return is_lumina ? "Lumina2Transformer2DModel" : "ZImageTransformer2DModel";
  }
  return "";
}

std::string tell_text_encoder(const Tensors& tensors) {
  for (const std::string outer :
       {"", "text_encoder.", "text_encoders.qwen3_4b.", "text_encoders.qwen3_4b.transformer."}) {
    for (const std::string inner :
         {"", "model.", "language_model.", "model.language_model.", "language_model.model."}) {
      if (has_all(tensors, outer + inner, {"embed_tokens.weight", "layers.0.self_attn.q_norm.weight"})) {
        return inner.find("language_model") == inner.npos ? "Qwen3Model" : "Qwen3VLModel";
      }
    }
  }
  return "";
}

std::string tell_vae(const Tensors& tensors) {
  for (const std::string prefix : {"", "vae.", "first_stage_model."}) {
    if (has_all(tensors, prefix, {"decoder.conv_in.weight", "decoder.mid_block.resnets.0.norm1.weight"}) ||
        has_all(tensors, prefix, {"decoder.conv_in.weight", "decoder.mid.block_1.norm1.weight"})) {
      return "AutoencoderKL";
    }
  }
  return "";
}

}  // namespace

std::string tell_model(const Tensors& tensors) {
  if (is_adapter(tensors)) return "LoRA";
  std::string result;
  for (const std::string& part : {tell_text_encoder(tensors), tell_transformer(tensors), tell_vae(tensors)}) {
    if (!part.empty()) result += (result.empty() ? "" : " + ") + part;
  }
  return result;
}

}  // namespace llmdit::io
