#include "models/qwen3.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "io/model_config.hpp"
#include "models/model_files.hpp"

namespace llmdit::models {
namespace {

// transformers 4 writes rope_theta and rope_scaling, transformers 5 writes rope_parameters; some files carry both.
double read_rope_theta(const io::JsonObject& json) {
  double theta = json.get_or<double>("rope_theta", 1e6);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!json.has(key)) continue;
    const io::JsonObject rope = json.object(key);
    const std::string type = rope.get_or<std::string>("rope_type", rope.get_or<std::string>("type", "default"));
    if (type != "default") {
      fail(ErrorCode::unsupported, "qwen3", "expected {} in {} to have rope_type 'default', found '{}'", key,
           json.path().string(), type);
    }
    theta = rope.get_or<double>("rope_theta", theta);
  }
  return theta;
}

void refuse_unhandled(const io::JsonObject& json) {
  const std::string type = json.get_or<std::string>("model_type", "qwen3");
  if (type != "qwen3") {
    fail(ErrorCode::unsupported, "qwen3",
         "expected model_type 'qwen3' in {}, found '{}'; Z-Image's text encoder is Qwen3-4B", json.path().string(),
         type);
  }
  if (json.get_or<bool>("attention_bias", false) || json.get_or<bool>("use_sliding_window", false)) {
    fail(ErrorCode::unsupported, "qwen3", "attention_bias and use_sliding_window are not handled, {} asks for one",
         json.path().string());
  }
  const std::string activation = json.get_or<std::string>("hidden_act", "silu");
  if (activation != "silu") {
    fail(ErrorCode::unsupported, "qwen3", "expected hidden_act 'silu' in {}, found '{}'", json.path().string(),
         activation);
  }
}

}  // namespace

Qwen3Config parse_qwen3_config(const io::JsonObject& json) {
  refuse_unhandled(json);
  Qwen3Config config;
  config.vocab_size = io::positive(json, "vocab_size");
  config.hidden_size = io::positive(json, "hidden_size");
  config.intermediate_size = io::positive(json, "intermediate_size");
  config.num_hidden_layers = io::layers(json, "num_hidden_layers");
  config.num_attention_heads = io::positive(json, "num_attention_heads");
  config.num_key_value_heads = io::positive(json, "num_key_value_heads");
  config.head_dim =
      json.has("head_dim") ? io::positive(json, "head_dim") : config.hidden_size / config.num_attention_heads;
  config.max_position_embeddings = io::positive(json, "max_position_embeddings");
  config.rms_norm_eps = json.get_or<double>("rms_norm_eps", config.rms_norm_eps);
  config.rope_theta = read_rope_theta(json);
  check_config(config, json.path());
  return config;
}

void check_config(const Qwen3Config& config, const std::filesystem::path& path) {
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fail(ErrorCode::unsupported, "qwen3",
         "expected num_attention_heads to be a multiple of num_key_value_heads in {}, found {} and {}", path.string(),
         config.num_attention_heads, config.num_key_value_heads);
  }
  if (config.head_dim <= 0 || config.head_dim % 2 != 0) {
    fail(ErrorCode::unsupported, "qwen3", "expected an even head_dim in {}, found {}", path.string(), config.head_dim);
  }
}

}  // namespace llmdit::models

namespace llmdit {

Qwen3Config Qwen3Config::load(const std::filesystem::path& path) {
  if (models::is_weight_file(path)) return models::open_qwen3(path).config;
  return models::parse_qwen3_config(io::read_config(path));
}

}  // namespace llmdit

namespace llmdit::models {
namespace {

using Bias = nn::Linear::Bias;

}  // namespace

Qwen3Model::Attention::Attention(const nn::Weights& weights, const Qwen3Config& c)
    : head_dim(c.head_dim),
      q_proj(weights.scope("q_proj"), c.hidden_size, c.num_attention_heads * c.head_dim, Bias::no),
      k_proj(weights.scope("k_proj"), c.hidden_size, c.num_key_value_heads * c.head_dim, Bias::no),
      v_proj(weights.scope("v_proj"), c.hidden_size, c.num_key_value_heads * c.head_dim, Bias::no),
      o_proj(weights.scope("o_proj"), c.num_attention_heads * c.head_dim, c.hidden_size, Bias::no),
      q_norm(weights.scope("q_norm"), c.head_dim, c.rms_norm_eps),
      k_norm(weights.scope("k_norm"), c.head_dim, c.rms_norm_eps) {}

at::Tensor Qwen3Model::Attention::operator()(const at::Tensor& x, const nn::RopeHalves& rope) const {
  const auto split_heads = [&](const at::Tensor& y) { return y.view({y.size(0), -1, head_dim}); };
  const at::Tensor q = nn::rotate_halves(q_norm(split_heads(q_proj(x))), rope);
  const at::Tensor k = nn::rotate_halves(k_norm(split_heads(k_proj(x))), rope);
  const at::Tensor v = split_heads(v_proj(x));
  return o_proj(nn::packed_attention(q, k, v, {x.size(0)}, /*causal=*/true));
}

Qwen3Model::Block::Block(const nn::Weights& weights, const Qwen3Config& c)
    : input_layernorm(weights.scope("input_layernorm"), c.hidden_size, c.rms_norm_eps),
      post_attention_layernorm(weights.scope("post_attention_layernorm"), c.hidden_size, c.rms_norm_eps),
      self_attn(weights.scope("self_attn"), c),
      mlp(weights.scope("mlp"), {"gate_proj", "up_proj", "down_proj"}, c.hidden_size, c.intermediate_size) {}

at::Tensor Qwen3Model::Block::operator()(const at::Tensor& x, const nn::RopeHalves& rope) const {
  const at::Tensor y = x + self_attn(input_layernorm(x), rope);
  return y + mlp(post_attention_layernorm(y));
}

Qwen3Model::Qwen3Model(const nn::Weights& weights, const Qwen3Config& config)
    : config_(config), norm_(weights.scope("norm"), config.hidden_size, config.rms_norm_eps) {
  embed_tokens_ = weights.scope("embed_tokens").get("weight", {config.vocab_size, config.hidden_size});
  compute_ = weights.compute();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) layers_.emplace_back(weights.scope("layers").scope(i), config);
}

at::Tensor Qwen3Model::embed(std::span<const int64_t> input_ids) const {
  const auto count = static_cast<int64_t>(input_ids.size());
  check(count > 0, "text_encoder", "expected at least one token, got none");
  check(count <= config_.max_position_embeddings, "text_encoder",
        "expected at most {} tokens, got {}; shorten the text", config_.max_position_embeddings, count);
  for (const int64_t id : input_ids) {
    check(id >= 0 && id < config_.vocab_size, "text_encoder",
          "expected token ids from 0 to {}, got {}; do tokenizer and model belong together?", config_.vocab_size - 1,
          id);
  }
  const at::Tensor ids = at::tensor(at::ArrayRef<int64_t>(input_ids.data(), input_ids.size()), at::kLong);
  return embed_tokens_.rows(ids, compute_);
}

at::Tensor Qwen3Model::hidden_states(std::span<const int64_t> input_ids, int64_t layer,
                                     const std::stop_token& stop) const {
  // input_ids -> embed_tokens -> layers[0 .. wanted) -> norm for the last entry only
  const int64_t last = config_.num_hidden_layers;
  const int64_t wanted = layer < 0 ? last + 1 + layer : layer;
  check(wanted >= 0 && wanted <= last, "hidden_layer", "expected {} to {}, got {}", -(last + 1), last, layer);

  at::Tensor x = embed(input_ids);
  const nn::RopeHalves rope = nn::rope_halves(x.size(0), config_.head_dim, config_.rope_theta, x.options());
  for (int64_t i = 0; i < wanted; ++i) {
    check_stop(stop, "text_encoder");
    x = layers_[i](x, rope);
  }
  return wanted == last ? norm_(x) : x;
}

}  // namespace llmdit::models
