#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <stop_token>
#include <vector>

#include "llmdit/qwen3_vl.hpp"
#include "nn/layers.hpp"
#include "nn/rope.hpp"

namespace llmdit::models {

/// Qwen3-VL's vision tower: patches of a picture to rows that stand in the place of image tokens.
class Qwen3VLVision {
 public:
  /// Names are transformers' without the prefix "model.visual.".
  Qwen3VLVision(const nn::Weights& weights, const Qwen3VLVisionConfig& config);

  /// pixel_values [patches, columns] of one picture of grid_thw, which are checked against each other.
  VLImageFeatures operator()(const PixelValues& pixels, const std::stop_token& stop) const;

 private:
  struct Attention {
    Attention(const nn::Weights& weights, const Qwen3VLVisionConfig& config);
    at::Tensor operator()(const at::Tensor& x, const nn::RopeHalves& rope) const;

    AttentionBackend backend;
    int64_t heads;
    nn::Linear qkv, proj;
  };

  struct Block {
    Block(const nn::Weights& weights, const Qwen3VLVisionConfig& config);
    at::Tensor operator()(const at::Tensor& x, const nn::RopeHalves& rope) const;

    nn::LayerNorm norm1, norm2;
    Attention attn;
    nn::Linear linear_fc1, linear_fc2;
  };

  /// A block of patches to one row of the language model's width. The last merger normalises each patch, those of
  /// deepstack the block as a whole.
  struct Merger {
    enum class Norm { patch, block };

    Merger(const nn::Weights& weights, const Qwen3VLVisionConfig& config, Norm kind);
    at::Tensor operator()(const at::Tensor& x) const;

    int64_t width;  // of a block
    Norm kind;
    nn::LayerNorm norm;
    nn::Linear linear_fc1, linear_fc2;
  };

  void check_pixels(const PixelValues& pixels) const;
  /// Row and column of each patch [patches] int64, in the order of merge blocks.
  std::array<at::Tensor, 2> patch_places(int64_t rows, int64_t columns) const;
  at::Tensor position_embeddings(const std::array<at::Tensor, 2>& places, int64_t rows, int64_t columns) const;
  nn::RopeHalves rope(const std::array<at::Tensor, 2>& places) const;

  Qwen3VLVisionConfig config_;
  at::Tensor patch_weight_, patch_bias_;  // [hidden_size, columns], [hidden_size]
  at::Tensor pos_embed_;                  // [num_position_embeddings, hidden_size]
  std::vector<Block> blocks_;
  Merger merger_;
  std::vector<Merger> deepstack_mergers_;
};

}  // namespace llmdit::models
