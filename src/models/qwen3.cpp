#include "models/qwen3.hpp"

#include <ATen/ATen.h>

#include <map>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "io/model_config.hpp"
#include "models/model_files.hpp"
#include "nn/attention.hpp"

namespace llmdit::models {
namespace {

// transformers 4 writes rope_theta and rope_scaling, transformers 5 writes rope_parameters; some files carry both.
double read_rope_theta(const io::JsonObject& json, double fallback) {
  double theta = json.get_or<double>("rope_theta", fallback);
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

void refuse_unhandled(const io::JsonObject& json, std::string_view model_type) {
  const std::string type = json.get_or<std::string>("model_type", std::string(model_type));
  if (type != model_type) {
    fail(ErrorCode::unsupported, "qwen3", "expected model_type '{}' in {}, found '{}'{}", model_type,
         json.path().string(), type, model_type == "qwen3" ? "; Z-Image's text encoder is Qwen3-4B" : "");
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

Qwen3Config parse_qwen3_config(const io::JsonObject& json, const Qwen3Kind& kind) {
  refuse_unhandled(json, kind.model_type);
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
  config.rope_theta = read_rope_theta(json, kind.rope_theta);
  config.tie_word_embeddings = json.get_or<bool>("tie_word_embeddings", config.tie_word_embeddings);
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

namespace {

/// What one block attends with.
struct Heads {
  AttentionBackend backend;
  at::Tensor q, k, v;  // [tokens, heads, head_dim]
};

at::Tensor attend(const Heads& heads, const DecoderInput& input, int64_t block) {
  const auto& [backend, q, k, v] = heads;
  const bool is_one = input.lengths.empty();
  const bool starts = !input.cache || input.cache->length() == 0;
  if (is_one && input.cache) {
    const auto all = input.cache->append(block, k, v);
    if (!starts) return nn::continued_attention(backend, q, all.keys, all.values);
  }
  if (starts)
    return nn::packed_attention(backend, q, k, v, is_one ? std::vector{q.size(0)} : input.lengths, /*causal=*/true);
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (const int64_t length : input.lengths) {
    const auto all = input.cache->joined(block, k.narrow(0, begin, length), v.narrow(0, begin, length));
    parts.push_back(nn::continued_attention(backend, q.narrow(0, begin, length), all.keys, all.values));
    begin += length;
  }
  return at::cat(parts);
}

/// What block `block` takes: the output of the one before it, and what is added to that.
at::Tensor with_additions(const at::Tensor& x, const DecoderInput& input, int64_t block) {
  if (block == 0 || !input.additions || block > static_cast<int64_t>(input.additions->values.size())) return x;
  return x.index_add(0, input.additions->rows, input.additions->values[block - 1]);
}

}  // namespace

Qwen3Model::Attention::Attention(const nn::Weights& weights, const Qwen3Config& c)
    : backend(weights.attention()),
      head_dim(c.head_dim),
      q_proj(weights.scope("q_proj"), c.hidden_size, c.num_attention_heads * c.head_dim, Bias::no),
      k_proj(weights.scope("k_proj"), c.hidden_size, c.num_key_value_heads * c.head_dim, Bias::no),
      v_proj(weights.scope("v_proj"), c.hidden_size, c.num_key_value_heads * c.head_dim, Bias::no),
      o_proj(weights.scope("o_proj"), c.num_attention_heads * c.head_dim, c.hidden_size, Bias::no),
      q_norm(weights.scope("q_norm"), c.head_dim, c.rms_norm_eps),
      k_norm(weights.scope("k_norm"), c.head_dim, c.rms_norm_eps) {}

at::Tensor Qwen3Model::Attention::operator()(const at::Tensor& x, const DecoderInput& input, int64_t block) const {
  const auto split_heads = [&](const at::Tensor& y) { return y.view({y.size(0), -1, head_dim}); };
  const at::Tensor q = q_norm.rotated_halves(split_heads(q_proj(x)), input.rope);
  const at::Tensor k = k_norm.rotated_halves(split_heads(k_proj(x)), input.rope);
  const at::Tensor v = split_heads(v_proj(x));
  return o_proj(attend({backend, q, k, v}, input, block));
}

Qwen3Model::Block::Block(const nn::Weights& weights, const Qwen3Config& c)
    : input_layernorm(weights.scope("input_layernorm"), c.hidden_size, c.rms_norm_eps),
      post_attention_layernorm(weights.scope("post_attention_layernorm"), c.hidden_size, c.rms_norm_eps),
      self_attn(weights.scope("self_attn"), c),
      mlp(weights.scope("mlp"), {"gate_proj", "up_proj", "down_proj"}, c.hidden_size, c.intermediate_size) {}

at::Tensor Qwen3Model::Block::operator()(const at::Tensor& x, const DecoderInput& input, int64_t block) const {
  const at::Tensor y = x + self_attn(input_layernorm(x), input, block);
  return y + mlp(post_attention_layernorm(y));
}

Qwen3Model::Qwen3Model(const nn::Weights& weights, const Qwen3Config& config)
    : config_(config), norm_(weights.scope("norm"), config.hidden_size, config.rms_norm_eps) {
  embed_tokens_ = weights.scope("embed_tokens").get("weight", {config.vocab_size, config.hidden_size});
  compute_ = weights.compute();
  const auto make = [config](const nn::Weights& own) { return std::make_shared<const Block>(own, config); };
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) layers_.add(weights.scope("layers").scope(i), make);
  if (config.tie_word_embeddings) return;
  if (const nn::Weights head = weights.scope("lm_head"); head.has("weight"))
    head_->matmul = nn::make_matmul(head, config.hidden_size, config.vocab_size);
}

void check_length(const Qwen3Config& config, int64_t tokens) {
  check(tokens > 0, "text_encoder", "expected at least one token, got none");
  check(tokens <= config.max_position_embeddings, "text_encoder",
        "expected at most {} tokens, got {}; shorten the text", config.max_position_embeddings, tokens);
}

void Qwen3Model::check_length(int64_t tokens) const { models::check_length(config_, tokens); }

at::Tensor Qwen3Model::embed(std::span<const int64_t> input_ids) const {
  check_length(static_cast<int64_t>(input_ids.size()));
  for (const int64_t id : input_ids) {
    check(id >= 0 && id < config_.vocab_size, "text_encoder",
          "expected token ids from 0 to {}, got {}; do tokenizer and model belong together?", config_.vocab_size - 1,
          id);
  }
  const at::Tensor ids = at::tensor(at::ArrayRef<int64_t>(input_ids.data(), input_ids.size()), at::kLong);
  return embed_tokens_.rows(ids, compute_);
}

nn::RopeHalves Qwen3Model::rope(int64_t first, int64_t count) const {
  const auto options = at::TensorOptions(embed_tokens_.data.device()).dtype(compute_);
  const at::Tensor positions = at::arange(first, first + count, options.dtype(at::kFloat));
  return nn::rope_halves(positions, config_.head_dim, config_.rope_theta, options);
}

int64_t Qwen3Model::entry(int64_t layer) const {
  const int64_t last = config_.num_hidden_layers;
  const int64_t wanted = layer < 0 ? last + 1 + layer : layer;
  check(wanted >= 0 && wanted <= last, "hidden_layer", "expected {} to {}, got {}", -(last + 1), last, layer);
  return wanted;
}

at::Tensor Qwen3Model::hidden_states(std::span<const int64_t> input_ids, int64_t layer,
                                     const std::stop_token& stop) const {
  const at::Tensor embeddings = embed(input_ids);
  return hidden_states({embeddings, rope(0, embeddings.size(0))}, {&layer, 1}, stop).front();
}

std::vector<at::Tensor> Qwen3Model::hidden_states(const DecoderInput& input, std::span<const int64_t> layers,
                                                  const std::stop_token& stop) const {
  // embeddings -> layers[0 .. deepest wanted) -> norm for the last entry only
  std::vector<at::Tensor> result(layers.size());
  std::multimap<int64_t, size_t> wanted;  // entry to its places in the result
  for (size_t i = 0; i < layers.size(); ++i) wanted.emplace(entry(layers[i]), i);
  check(!wanted.empty(), "hidden_layer", "expected at least one layer, got none");

  at::Tensor x = input.embeddings;
  const int64_t last = config_.num_hidden_layers, deepest = wanted.rbegin()->first;
  for (int64_t i = 0;; ++i) {
    if (i == last) x = norm_(with_additions(x, input, i));
    const auto [begin, end] = wanted.equal_range(i);
    for (auto place = begin; place != end; ++place) result[place->second] = x;
    if (i == deepest) break;
    check_stop(stop, "text_encoder");
    x = (*layers_.use(i))(with_additions(x, input, i), input, i);
  }
  if (input.cache && input.lengths.empty()) input.cache->complete_pass(x.size(0));
  return result;
}

at::Tensor Qwen3Model::logits(const at::Tensor& normed) const {
  std::call_once(head_->made, [&] {
    if (config_.tie_word_embeddings) head_->matmul = nn::make_matmul(embed_tokens_, compute_);
  });
  if (!head_->matmul) {
    fail(ErrorCode::unsupported, "text_encoder",
         "expected lm_head.weight or tie_word_embeddings in the model, found neither; it can encode but not write");
  }
  return (*head_->matmul)(normed, {});
}

}  // namespace llmdit::models
