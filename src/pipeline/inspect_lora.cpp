#include "pipeline/inspect_lora.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "adapters/lora_names.hpp"
#include "models/model_files.hpp"
#include "models/qwen3.hpp"
#include "models/z_image_transformer.hpp"
#include "nn/weights.hpp"

namespace llmdit {
namespace {

using adapters::LoraNames;
using adapters::LoraRole;

/// The weights of a model by name, from building it without any.
template <class Model, class Config>
adapters::WeightShapes shapes_of(io::TensorTable (*make_table)(io::Checkpoint), const Config& config) {
  auto store = nn::WeightStore::for_inspection(make_table(io::Checkpoint()));
  Model(nn::Weights(store), config);
  return store.shapes();
}

LoraNames transformer_names() {
  return {shapes_of<models::ZImageTransformerModel>(models::z_image_table, ZImageTransformerConfig{}),
          LoraNames::Model::transformer};
}

LoraNames encoder_names() {
  constexpr Qwen3Config qwen3_4b{.vocab_size = 151936,
                                 .hidden_size = 2560,
                                 .intermediate_size = 9728,
                                 .num_hidden_layers = 36,
                                 .num_attention_heads = 32,
                                 .num_key_value_heads = 8,
                                 .head_dim = 128};
  return {shapes_of<models::Qwen3Model>(models::qwen3_table, qwen3_4b), LoraNames::Model::text_encoder};
}

std::string_view kind_of(LoraRole role) {
  switch (role) {
    case LoraRole::up:
      return "LoRA";
    case LoraRole::hada_w1_a:
      return "LoHa";
    case LoraRole::lokr_w1:
    case LoraRole::lokr_w1_a:
      return "LoKr";
    case LoraRole::dora_scale:
      return "DoRA";
    case LoraRole::diff:
    case LoraRole::diff_bias:
    case LoraRole::set_weight:
      return "differences";
    default:
      return "";
  }
}

}  // namespace

ComponentInfo plan_lora(std::vector<TensorInfo>& tensors) {
  const LoraNames transformer = transformer_names(), text_encoder = encoder_names();
  ComponentInfo info{.component = "lora"};
  std::set<std::string_view> kinds;
  std::set<std::string> targets;
  std::set<int64_t> ranks;
  for (TensorInfo& tensor : tensors) {
    const auto key = adapters::parse_lora_key(tensor.name);
    const adapters::LoraTarget* target = nullptr;
    if (key && !adapters::is_text_encoder_key(tensor.name)) target = transformer.find(key->stem);
    const bool is_encoder = key && !target;
    if (is_encoder) target = text_encoder.find(key->stem);
    if (!target || key->role == LoraRole::unhandled) {
      const std::string_view reason = !key ? "no part of an adapter" : target ? key->reason : "no such module";
      info.unused.push_back(fmt::format("{} ({})", tensor.name, reason));
      continue;
    }
    for (const auto& part : target->parts) tensor.becomes.push_back((is_encoder ? "text_encoder." : "") + part.weight);
    targets.insert((is_encoder ? "text_encoder." : "") + target->name);
    if (const auto kind = kind_of(key->role); !kind.empty()) kinds.insert(kind);
    if (key->role == LoraRole::down && !tensor.shape.empty()) ranks.insert(tensor.shape[0]);
  }
  info.model = fmt::format("{}", fmt::join(kinds, " + "));
  info.sizes = fmt::format("{} modules", targets.size());
  if (!ranks.empty()) info.sizes += fmt::format(", rank {}", fmt::join(ranks, ", "));
  if (targets.empty()) info.problems.push_back("none of its keys has a place in Z-Image; it is for another model");
  return info;
}

}  // namespace llmdit
