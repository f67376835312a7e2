#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "llmdit/text_encoder.hpp"
#include "nn/block_list.hpp"
#include "nn/key_value_cache.hpp"
#include "nn/layers.hpp"
#include "nn/rope.hpp"

namespace llmdit::models {

/// Values that are added to some rows of the hidden states between blocks, as Qwen3-VL's deepstack does.
struct RowAdditions {
  at::Tensor rows;                 ///< [n] int64
  std::vector<at::Tensor> values;  ///< entry i, [n, hidden_size], is added after block i
};

/// What a pass runs on.
struct DecoderInput {
  at::Tensor embeddings;           ///< [tokens, hidden_size] in the type of computation
  nn::RopeHalves rope;             ///< of these tokens, [tokens, head_dim]
  std::vector<int64_t> lengths{};  ///< several sequences, one after another in the rows; empty: one
  const RowAdditions* additions = nullptr;
  /// Earlier tokens, which the sequence follows; it is added to them. Several sequences each follow them and are not
  /// added. All passes with one cache ask for the same deepest layer.
  nn::KeyValueCache* cache = nullptr;
};

/// Throws invalid_argument unless a text of so many tokens has a place in the model.
void check_length(const Qwen3Config& config, int64_t tokens);

/// The Qwen3 language model, from token ids or embeddings to hidden states and logits.
class Qwen3Model {
 public:
  /// Names are transformers' without the prefix "model.".
  Qwen3Model(const nn::Weights& weights, const Qwen3Config& config);

  /// Entry `layer` of transformers' hidden_states (0 .. num_hidden_layers, negative from the end): [tokens,
  /// hidden_size]. Runs the blocks that this entry needs and no more.
  at::Tensor hidden_states(std::span<const int64_t> input_ids, int64_t layer, const std::stop_token& stop) const;

  /// Several entries of hidden_states from one pass, in the order asked for. An entry is recorded before the additions
  /// that follow its block, but for the last one.
  std::vector<at::Tensor> hidden_states(const DecoderInput& input, std::span<const int64_t> layers,
                                        const std::stop_token& stop) const;

  void check_length(int64_t tokens) const;
  /// Token ids as the model's input: [tokens, hidden_size].
  at::Tensor embed(std::span<const int64_t> input_ids) const;
  /// The rotary table of ordinary text at positions first .. first + count - 1.
  nn::RopeHalves rope(int64_t first, int64_t count) const;

  /// Scores of the next token from entry -1 of hidden_states: [rows, hidden_size] to [rows, vocab_size].
  /// Throws unsupported when the model has no head.
  at::Tensor logits(const at::Tensor& normed) const;

  const Qwen3Config& config() const { return config_; }

 private:
  struct Attention {
    Attention(const nn::Weights& weights, const Qwen3Config& config);
    at::Tensor operator()(const at::Tensor& x, const DecoderInput& input, int64_t block) const;

    AttentionBackend backend;
    int64_t head_dim;
    nn::Linear q_proj, k_proj, v_proj, o_proj;
    nn::RmsNorm q_norm, k_norm;
  };

  struct Block {
    Block(const nn::Weights& weights, const Qwen3Config& config);
    at::Tensor operator()(const at::Tensor& x, const DecoderInput& input, int64_t block) const;

    nn::RmsNorm input_layernorm, post_attention_layernorm;
    Attention self_attn;
    nn::GatedFeedForward mlp;
  };

  /// A tied one is made when it is first used: where weights are not computed with as they are stored it is a copy of
  /// the embeddings, which encoding has no use for.
  struct Head {
    std::once_flag made;
    std::shared_ptr<const nn::MatMul> matmul;  // null without one
  };

  int64_t entry(int64_t layer) const;

  Qwen3Config config_;
  at::ScalarType compute_;
  nn::StoredTensor embed_tokens_;  // [vocab_size, hidden_size]
  nn::BlockList<Block> layers_;
  nn::RmsNorm norm_;
  std::shared_ptr<Head> head_ = std::make_shared<Head>();
};

}  // namespace llmdit::models
