#include "io/model_kind.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace llmdit::io {
namespace {

bool has_all(const Checkpoint& checkpoint, std::string_view prefix, std::initializer_list<std::string_view> names) {
  return std::all_of(names.begin(), names.end(),
                     [&](std::string_view name) { return checkpoint.contains(std::string(prefix).append(name)); });
}

/// An adapter's tensors have the stems of its model's, and only their last part tells.
bool is_adapter(const std::vector<std::string>& names) {
  constexpr std::string_view inside[] = {".lora_A",
                                         ".lora_B",
                                         ".lora_up",
                                         ".lora_down",
                                         ".lora.up",
                                         ".lora.down",
                                         "_lora.up",
                                         "_lora.down",
                                         ".lora_linear_layer",
                                         ".hada_w",
                                         ".lokr_w",
                                         ".lora_mid",
                                         ".lora_magnitude_vector"};
  constexpr std::string_view endings[] = {".diff", ".diff_b", ".dora_scale", ".set_weight", ".w_norm", ".b_norm"};
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto contains = [&](std::string_view part) { return name.find(part) != std::string::npos; };
    const auto ends = [&](std::string_view part) { return name.ends_with(part); };
    return std::any_of(std::begin(inside), std::end(inside), contains) ||
           std::any_of(std::begin(endings), std::end(endings), ends);
  });
}

std::string tell_transformer(const Checkpoint& checkpoint) {
  for (const std::string prefix : {"", "model.diffusion_model.", "diffusion_model.", "transformer."}) {
    if (!has_all(checkpoint, prefix, {"cap_embedder.0.weight", "layers.0.adaLN_modulation.0.weight"})) continue;
    const TensorEntry* projection = checkpoint.find(prefix + "cap_embedder.1.weight");
    const bool is_lumina = projection && !projection->shape.empty() && projection->shape[0] == 2304;
    return is_lumina ? "Lumina2Transformer2DModel" : "ZImageTransformer2DModel";
  }
  return "";
}

std::string tell_text_encoder(const Checkpoint& checkpoint) {
  if (has_all(checkpoint, "", {"token_embd.weight", "blk.0.attn_q_norm.weight"})) return "Qwen3Model";
  for (const std::string outer :
       {"", "text_encoder.", "text_encoders.qwen3_4b.", "text_encoders.qwen3_4b.transformer."}) {
    for (const std::string inner :
         {"", "model.", "language_model.", "model.language_model.", "language_model.model."}) {
      if (has_all(checkpoint, outer + inner, {"embed_tokens.weight", "layers.0.self_attn.q_norm.weight"})) {
        return inner.find("language_model") == inner.npos ? "Qwen3Model" : "Qwen3VLModel";
      }
    }
  }
  return "";
}

std::string tell_vae(const Checkpoint& checkpoint) {
  for (const std::string prefix : {"", "vae.", "first_stage_model."}) {
    if (has_all(checkpoint, prefix, {"decoder.conv_in.weight", "decoder.mid_block.resnets.0.norm1.weight"}) ||
        has_all(checkpoint, prefix, {"decoder.conv_in.weight", "decoder.mid.block_1.norm1.weight"})) {
      return "AutoencoderKL";
    }
  }
  return "";
}

struct ForeignModel {
  std::string_view part;  ///< of a tensor's name that only this model has
  std::string_view name;
};

constexpr ForeignModel foreign_models[] = {
    {"double_blocks.0.", "Flux"},
    {"single_transformer_blocks.0.", "Flux"},
    {"joint_blocks.0.", "Stable Diffusion 3"},
    {"input_blocks.0.", "Stable Diffusion"},
    {"transformer_blocks.0.img_mlp.", "Qwen-Image"},
    {"v.blk.0.", "a vision projector (mmproj)"},
    {"visual.blocks.0.", "Qwen3-VL's vision tower"},
    {"text_model.encoder.layers.0.", "CLIP"},
    {"encoder.block.0.layer.0.", "T5"},
    {"taesd", "TAESD"},
    {"decoder.layers.1.conv.0.", "TAESD"},
    {"decoder.1.conv.0.", "TAESD"},
    {"blk.0.", "another language model"},
    {"layers.0.self_attn.", "another language model"},
};

std::string tell_foreign(const std::vector<std::string>& names) {
  for (const auto& [part, name] : foreign_models) {
    const auto contains = [part = part](const std::string& key) { return key.find(part) != std::string::npos; };
    if (std::any_of(names.begin(), names.end(), contains)) return std::string(name);
  }
  return "";
}

}  // namespace

std::string tell_model(const Checkpoint& checkpoint) {
  const std::vector<std::string> names = checkpoint.names();
  if (is_adapter(names)) return "LoRA";
  std::string result;
  for (const std::string& part : {tell_text_encoder(checkpoint), tell_transformer(checkpoint), tell_vae(checkpoint)}) {
    if (!part.empty()) result += (result.empty() ? "" : " + ") + part;
  }
  return result.empty() ? tell_foreign(names) : result;
}

}  // namespace llmdit::io
