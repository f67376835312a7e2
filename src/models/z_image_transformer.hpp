#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "llmdit/z_image_transformer.hpp"
#include "models/step_cache.hpp"
#include "nn/block_list.hpp"
#include "nn/layers.hpp"

namespace llmdit::models {

/// Rows of several sequences one after another, without padding between them.
struct PackedRows {
  at::Tensor x;                  ///< [rows, dim]
  at::Tensor freqs_cis;          ///< rotary factors of each row, complex64 [rows, head_dim / 2]
  std::vector<int64_t> lengths;  ///< rows of each sequence
};

/// Modules and parameters carry their names in diffusers' ZImageTransformer2DModel.
class ZImageTransformerModel {
 public:
  ZImageTransformerModel(const nn::Weights& weights, const ZImageTransformerConfig& config);

  Conditioning condition(std::span<const at::Tensor> prompt_embeds, const ConditionOptions& options) const;
  /// `cache`: of the steps before; null without one.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                  const Conditioning& conditioning, StepCache* cache,
                                  const std::stop_token& stop) const;

 private:
  /// Conditioning vectors of the timesteps and which rows each one governs.
  struct TimeConditioning {
    at::Tensor c;                  ///< [batch, adaln width], or [1, adaln width] when all items share one timestep
    std::vector<int64_t> lengths;  ///< rows of each item; unused with one shared vector
    at::Tensor per_row(const at::Tensor& values) const;
  };

  struct TimestepEmbedder {
    TimestepEmbedder(const nn::Weights& weights, int64_t out_size);
    at::Tensor operator()(const at::Tensor& t) const;

    at::ScalarType compute;
    nn::Linear mlp_0, mlp_2;
  };

  struct Attention {
    Attention(const nn::Weights& weights, const ZImageTransformerConfig& config);
    at::Tensor operator()(const at::Tensor& x, const PackedRows& rows) const;

    AttentionBackend backend;
    int64_t n_heads;
    nn::Linear to_q, to_k, to_v, to_out;
    std::optional<nn::RmsNorm> norm_q, norm_k;
  };

  struct Block {
    enum class Modulation { no, yes };

    Block(const nn::Weights& weights, const ZImageTransformerConfig& config, Modulation modulation);
    /// Changes rows.x; the first form is that of a block without modulation.
    void operator()(PackedRows& rows) const;
    void operator()(PackedRows& rows, const TimeConditioning& time) const;

    nn::RmsNorm attention_norm1, attention_norm2, ffn_norm1, ffn_norm2;
    Attention attention;
    nn::GatedFeedForward feed_forward;
    std::optional<nn::Linear> adaLN_modulation;
  };

  struct FinalLayer {
    FinalLayer(const nn::Weights& weights, const ZImageTransformerConfig& config);
    at::Tensor operator()(const at::Tensor& x, const TimeConditioning& time) const;

    nn::Linear linear, adaLN_modulation;
  };

  struct ImageSize {
    int64_t h, w;  ///< in patches
    int64_t tokens() const { return h * w; }
  };

  at::Tensor patchify(const at::Tensor& latents) const;
  at::Tensor unpatchify(const at::Tensor& tokens, ImageSize size) const;
  at::Tensor caption_freqs(int64_t rows) const;
  at::Tensor image_freqs(ImageSize size, int64_t caption_rows) const;
  PackedRows embed_images(std::span<const at::Tensor> latents, const std::vector<ImageSize>& sizes,
                          const Conditioning& conditioning) const;
  PackedRows join(const PackedRows& images, const Conditioning& conditioning) const;
  void run_layers(PackedRows& rows, const TimeConditioning& time, const std::stop_token& stop) const;
  void run_layers(PackedRows& rows, const TimeConditioning& time, StepCache& cache, const std::stop_token& stop) const;

  ZImageTransformerConfig config_;
  nn::Linear x_embedder_;
  nn::RmsNorm cap_norm_;
  nn::Linear cap_embedder_;
  TimestepEmbedder t_embedder_;
  at::Tensor x_pad_token_, cap_pad_token_;  // [1, dim]
  nn::BlockList<Block> noise_refiner_, context_refiner_, layers_;
  FinalLayer final_layer_;
};

}  // namespace llmdit::models
