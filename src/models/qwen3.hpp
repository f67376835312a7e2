#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <stop_token>
#include <vector>

#include "llmdit/text_encoder.hpp"
#include "nn/layers.hpp"
#include "nn/rope.hpp"

namespace llmdit::models {

/// The Qwen3 language model without its head: token ids to hidden states.
class Qwen3Model {
 public:
  /// Names are transformers' without the prefix "model.".
  Qwen3Model(const nn::Weights& weights, const Qwen3Config& config);

  /// Entry `layer` of transformers' hidden_states (0 .. num_hidden_layers, negative from the end): [tokens,
  /// hidden_size]. Runs the blocks that this entry needs and no more.
  at::Tensor hidden_states(std::span<const int64_t> input_ids, int64_t layer, const std::stop_token& stop) const;

 private:
  struct Attention {
    Attention(const nn::Weights& weights, const Qwen3Config& config);
    at::Tensor operator()(const at::Tensor& x, const nn::RopeHalves& rope) const;

    int64_t head_dim;
    nn::Linear q_proj, k_proj, v_proj, o_proj;
    nn::RmsNorm q_norm, k_norm;
  };

  struct Block {
    Block(const nn::Weights& weights, const Qwen3Config& config);
    at::Tensor operator()(const at::Tensor& x, const nn::RopeHalves& rope) const;

    nn::RmsNorm input_layernorm, post_attention_layernorm;
    Attention self_attn;
    nn::GatedFeedForward mlp;
  };

  at::Tensor embed(std::span<const int64_t> input_ids) const;

  Qwen3Config config_;
  at::ScalarType compute_;
  nn::StoredTensor embed_tokens_;  // [vocab_size, hidden_size]
  std::vector<Block> layers_;
  nn::RmsNorm norm_;
};

}  // namespace llmdit::models
