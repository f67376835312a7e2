#include "adapters/lora_names.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace llmdit::adapters {
namespace {

struct Rename {
  std::string_view from;
  std::string_view to;
};

// Diffusers' names of modules and those of the original release, which other trainers and ComfyUI use.
constexpr Rename original_names[] = {
    {"all_x_embedder.2-1", "x_embedder"},       {"all_final_layer.2-1.", "final_layer."},
    {".attention.to_out.0", ".attention.out"},  {".attention.norm_q", ".attention.q_norm"},
    {".attention.norm_k", ".attention.k_norm"},
};

// The longest first; a key may carry several.
constexpr std::string_view prefixes[] = {
    "model.diffusion_model.", "base_model.model.", "diffusion_model.", "transformer.", "pipe.dit.", "lycoris.",
    "lora_transformer_",      "lora_unet__",       "lora_unet_",       "lycoris_",     "lora.",     "unet.",
    "transformer_",           "diffusion_model_",
};

constexpr std::string_view text_encoder_prefixes[] = {
    "text_encoders.qwen3_4b.transformer.",
    "text_encoders.qwen3_4b.",
    "text_encoder.",
    "lora_te1_",
    "lora_te_",
    "text_encoder_",
    "base_model.model.",
};

struct Suffix {
  std::string_view text;
  LoraRole role;
};

// A name of the adapter may stand before ".weight"; parse_lora_key takes it out first.
constexpr Suffix suffixes[] = {
    {".lora_down.weight", LoraRole::down},
    {".lora_up.weight", LoraRole::up},
    {"_lora.down.weight", LoraRole::down},
    {"_lora.up.weight", LoraRole::up},
    {".lora.down.weight", LoraRole::down},
    {".lora.up.weight", LoraRole::up},
    {".lora_linear_layer.down.weight", LoraRole::down},
    {".lora_linear_layer.up.weight", LoraRole::up},
    {".lora_A.weight", LoraRole::down},
    {".lora_B.weight", LoraRole::up},
    {".lora_A", LoraRole::down},
    {".lora_B", LoraRole::up},
    {".lora_A.bias", LoraRole::factor_bias},
    {".lora_B.bias", LoraRole::factor_bias},
    {".lora_up.bias", LoraRole::factor_bias},
    {".lora_down.bias", LoraRole::factor_bias},
    {".lora_mid.weight", LoraRole::mid},
    {".alpha", LoraRole::alpha},
    {".scale", LoraRole::scale},
    {".diff", LoraRole::diff},
    {".w_norm", LoraRole::diff},
    {".diff_b", LoraRole::diff_bias},
    {".b_norm", LoraRole::diff_bias},
    {".set_weight", LoraRole::set_weight},
    {".dora_scale", LoraRole::dora_scale},
    {".lora_magnitude_vector.weight", LoraRole::dora_scale},
    {".lora_magnitude_vector", LoraRole::dora_scale},
    {".reshape_weight", LoraRole::reshape},
    {".hada_w1_a", LoraRole::hada_w1_a},
    {".hada_w1_b", LoraRole::hada_w1_b},
    {".hada_w2_a", LoraRole::hada_w2_a},
    {".hada_w2_b", LoraRole::hada_w2_b},
    {".hada_t1", LoraRole::hada_t1},
    {".hada_t2", LoraRole::hada_t2},
    {".lokr_w1", LoraRole::lokr_w1},
    {".lokr_w1_a", LoraRole::lokr_w1_a},
    {".lokr_w1_b", LoraRole::lokr_w1_b},
    {".lokr_w2", LoraRole::lokr_w2},
    {".lokr_w2_a", LoraRole::lokr_w2_a},
    {".lokr_w2_b", LoraRole::lokr_w2_b},
    {".lokr_t2", LoraRole::lokr_t2},
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string original_name(std::string module) {
  for (const auto& [from, to] : original_names) module = replaced(std::move(module), from, to);
  return module;
}

/// "layers.0.attention.to_q.lora_A.style.weight" without the adapter's name "style".
std::string without_adapter_name(std::string_view key) {
  constexpr std::string_view factors[] = {".lora_A.", ".lora_B.", ".lora_magnitude_vector."};
  for (const std::string_view factor : factors) {
    const size_t at = key.find(factor);
    if (at == key.npos) continue;
    const std::string_view rest = key.substr(at + factor.size());
    const size_t dot = rest.find('.');
    const bool has_name = dot != rest.npos && rest.find('.', dot + 1) == rest.npos &&
                          (rest.substr(dot + 1) == "weight" || rest.substr(dot + 1) == "bias");
    if (has_name) return std::string(key.substr(0, at + factor.size())).append(rest.substr(dot + 1));
    // Some leave ".weight" out behind the name.
    if (rest == "default") return std::string(key.substr(0, at + factor.size() - 1));
  }
  return std::string(key);
}

}  // namespace

LoraNames::LoraNames(const WeightShapes& shapes, Model model) : model_(model) {
  for (const auto& [name, shape] : shapes) {
    constexpr std::string_view weight = ".weight", query = ".attention.to_q";
    if (!name.ends_with(weight) || shape.empty()) continue;
    const std::string module = name.substr(0, name.size() - weight.size());
    const std::vector<ModuleRows> alone = {{module, 0, shape[0]}};
    add(module, alone);
    add(original_name(module), alone);
    if (model == Model::text_encoder) add("model." + module, alone);
    if (!module.ends_with(query)) continue;
    const std::string stem = module.substr(0, module.size() - query.size()) + ".attention.";
    std::vector<ModuleRows> fused;
    int64_t first = 0;
    for (const char* part : {"to_q", "to_k", "to_v"}) {
      const auto found = shapes.find(stem + part + ".weight");
      if (found == shapes.end() || found->second.empty()) continue;
      fused.push_back({stem + part, first, found->second[0]});
      first += found->second[0];
    }
    if (fused.size() == 3) add(stem + "qkv", fused);
  }
}

void LoraNames::add(const std::string& spelling, const std::vector<ModuleRows>& modules) {
  spellings_.emplace(spelling, modules);
  std::string underscored = spelling, dotted = spelling;
  std::ranges::replace(underscored, '.', '_');
  std::ranges::replace(dotted, '_', '.');
  spellings_.emplace(underscored, modules);
  spellings_.emplace(dotted, modules);
}

const std::vector<ModuleRows>* LoraNames::find(std::string_view stem) const {
  const auto known = [&]() -> std::span<const std::string_view> {
    if (model_ == Model::text_encoder) return text_encoder_prefixes;
    return prefixes;
  }();
  for (int stripped = 0; stripped < 4; ++stripped) {
    if (const auto found = spellings_.find(stem); found != spellings_.end()) return &found->second;
    const auto prefix = std::ranges::find_if(known, [&](std::string_view p) { return stem.starts_with(p); });
    if (prefix == known.end()) return nullptr;
    stem.remove_prefix(prefix->size());
  }
  return nullptr;
}

bool is_text_encoder_key(std::string_view key) {
  constexpr std::array own = {"text_encoder", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_"};
  return std::ranges::any_of(own, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

std::optional<LoraKey> parse_lora_key(std::string_view key) {
  std::string plain = replaced(without_adapter_name(key), ".processor.", ".");
  LoraKey result{.stem = {}, .role = LoraRole::factor_scale};
  // A factor in 8 bits with a scale of its own.
  for (const std::string_view scale : {".scale_weight", ".weight_scale"}) {
    if (!plain.ends_with(scale)) continue;
    const auto factor = parse_lora_key(plain.substr(0, plain.size() - scale.size()) + ".weight");
    if (!factor) return std::nullopt;
    result.stem = factor->stem;
    return result;
  }
  const Suffix* longest = nullptr;
  for (const Suffix& suffix : suffixes) {
    if (plain.ends_with(suffix.text) && (!longest || suffix.text.size() > longest->text.size())) longest = &suffix;
  }
  if (!longest) return std::nullopt;
  result.stem = plain.substr(0, plain.size() - longest->text.size());
  result.role = longest->role;
  return result;
}

}  // namespace llmdit::adapters
