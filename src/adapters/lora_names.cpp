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
  std::string_view reason{};  // of an unhandled one
};

constexpr std::string_view of_convolutions = "parts for convolutions are not handled: the model has none";
constexpr std::string_view factor_bias = "factors with biases are not handled";
constexpr std::string_view factor_scale = "factors with scales of their own are not handled";
constexpr std::string_view oft = "orthogonal adapters (OFT, BOFT) are not handled";

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
    {".lora_A.bias", LoraRole::unhandled, factor_bias},
    {".lora_B.bias", LoraRole::unhandled, factor_bias},
    {".lora_up.bias", LoraRole::unhandled, factor_bias},
    {".lora_down.bias", LoraRole::unhandled, factor_bias},
    {".lora_mid.weight", LoraRole::unhandled, of_convolutions},
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
    {".reshape_weight", LoraRole::unhandled, "changing a weight's shape is not handled"},
    {".oft_blocks", LoraRole::unhandled, oft},
    {".oft_diag", LoraRole::unhandled, oft},
    {".hada_w1_a", LoraRole::hada_w1_a},
    {".hada_w1_b", LoraRole::hada_w1_b},
    {".hada_w2_a", LoraRole::hada_w2_a},
    {".hada_w2_b", LoraRole::hada_w2_b},
    {".hada_t1", LoraRole::unhandled, of_convolutions},
    {".hada_t2", LoraRole::unhandled, of_convolutions},
    {".lokr_w1", LoraRole::lokr_w1},
    {".lokr_w1_a", LoraRole::lokr_w1_a},
    {".lokr_w1_b", LoraRole::lokr_w1_b},
    {".lokr_w2", LoraRole::lokr_w2},
    {".lokr_w2_a", LoraRole::lokr_w2_a},
    {".lokr_w2_b", LoraRole::lokr_w2_b},
    {".lokr_t2", LoraRole::unhandled, of_convolutions},
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
    const std::string_view last = dot == rest.npos ? "" : rest.substr(dot + 1);
    if (last.starts_with("weight") || last == "bias" || last == "scale_weight")
      return std::string(key.substr(0, at + factor.size())).append(last);
    // Some leave ".weight" out behind the name.
    if (rest == "default") return std::string(key.substr(0, at + factor.size() - 1));
  }
  return std::string(key);
}

}  // namespace

LoraNames::LoraNames(const WeightShapes& shapes, Model model) : model_(model) {
  for (const auto& [name, shape] : shapes) {
    constexpr std::string_view weight = ".weight", query = ".to_q";
    if (shape.empty() || name.ends_with(".bias")) continue;
    // A parameter outside of any layer, such as a pad token, goes by its own name.
    const std::string module = name.ends_with(weight) ? name.substr(0, name.size() - weight.size()) : name;
    const auto alone = std::make_shared<const LoraTarget>(LoraTarget{module, {{name, module + ".bias", 0, shape[0]}}});
    add(module, alone);
    add(original_name(module), alone);
    if (model == Model::text_encoder) add("model." + module, alone);
    if (module.ends_with(query)) add_fused(shapes, module.substr(0, module.size() - query.size() + 1));
  }
}

void LoraNames::add_fused(const WeightShapes& shapes, const std::string& stem) {
  LoraTarget fused{stem + "qkv", {}};
  int64_t first = 0;
  for (const char* part : {"to_q", "to_k", "to_v"}) {
    const auto found = shapes.find(stem + part + ".weight");
    if (found == shapes.end() || found->second.empty()) return;
    fused.parts.push_back({found->first, stem + part + ".bias", first, found->second[0]});
    first += found->second[0];
  }
  add(fused.name, std::make_shared<const LoraTarget>(fused));
}

void LoraNames::add(const std::string& spelling, const std::shared_ptr<const LoraTarget>& target) {
  std::string underscored = spelling, dotted = spelling;
  std::ranges::replace(underscored, '.', '_');
  std::ranges::replace(dotted, '_', '.');
  for (const std::string& form : {spelling, underscored, dotted}) spellings_.emplace(form, target);
}

const LoraTarget* LoraNames::find(std::string_view stem) const {
  const auto known = [&]() -> std::span<const std::string_view> {
    if (model_ == Model::text_encoder) return text_encoder_prefixes;
    return prefixes;
  }();
  while (true) {
    if (const auto found = spellings_.find(stem); found != spellings_.end()) return found->second.get();
    const auto prefix = std::ranges::find_if(known, [&](std::string_view p) { return stem.starts_with(p); });
    if (prefix == known.end()) return nullptr;
    stem.remove_prefix(prefix->size());
  }
}

bool is_text_encoder_key(std::string_view key) {
  constexpr std::array own = {"text_encoder", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_"};
  return std::ranges::any_of(own, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

std::optional<LoraKey> parse_lora_key(std::string_view key) {
  std::string plain = replaced(without_adapter_name(key), ".processor.", ".");
  // What tells how a factor is quantised has the factor's name with one ending more, or in the place of ".weight".
  constexpr std::string_view scales[] = {".scale_weight", ".weight_scale", "_scale_inv"};
  const auto scale = std::ranges::find_if(scales, [&](std::string_view ending) { return plain.ends_with(ending); });
  const bool is_scale = scale != std::end(scales);
  if (is_scale) plain.resize(plain.size() - scale->size());
  if (is_scale && !plain.ends_with(".weight")) plain += ".weight";
  const Suffix* longest = nullptr;
  for (const Suffix& suffix : suffixes) {
    if (plain.ends_with(suffix.text) && (!longest || suffix.text.size() > longest->text.size())) longest = &suffix;
  }
  if (!longest) return std::nullopt;
  std::string stem = plain.substr(0, plain.size() - longest->text.size());
  if (is_scale) return LoraKey{std::move(stem), LoraRole::unhandled, factor_scale};
  return LoraKey{std::move(stem), longest->role, longest->reason};
}

}  // namespace llmdit::adapters
