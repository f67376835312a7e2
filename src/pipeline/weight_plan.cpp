#include "pipeline/weight_plan.hpp"

#include "models/autoencoder_kl.hpp"
#include "models/qwen3.hpp"
#include "models/z_image_transformer.hpp"

namespace llmdit {
namespace {

void build(const nn::Weights& weights, const ZImageTransformerConfig& config) {
  models::ZImageTransformerModel(weights, config);
}

void build(const nn::Weights& weights, const Qwen3Config& config) { models::Qwen3Model(weights, config); }

void build(const nn::Weights& weights, const AutoencoderKLConfig& config) {
  models::Decoder(weights.scope("decoder"), config);
  if (weights.has("encoder.conv_in.weight")) models::Encoder(weights.scope("encoder"), config);
}

template <class Config>
WeightPlan plan(const models::ModelFiles<Config>& files, const nn::Placement& placement) {
  auto store = nn::WeightStore::for_inspection(files.table, placement);
  build(nn::Weights(store), files.config);
  return {.problems = store.problems(),
          .unused = store.unused(),
          .kept = store.kept(),
          .streamed = store.streamed(),
          .compute = store.compute()};
}

}  // namespace

WeightPlan plan_weights(const models::ModelFiles<ZImageTransformerConfig>& files, const nn::Placement& placement) {
  return plan(files, placement);
}
WeightPlan plan_weights(const models::ModelFiles<Qwen3Config>& files, const nn::Placement& placement) {
  return plan(files, placement);
}
WeightPlan plan_weights(const models::ModelFiles<AutoencoderKLConfig>& files, const nn::Placement& placement) {
  return plan(files, placement);
}

}  // namespace llmdit
