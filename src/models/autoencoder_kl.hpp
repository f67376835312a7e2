#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <stop_token>
#include <vector>

#include "llmdit/autoencoder_kl.hpp"
#include "nn/weights.hpp"

namespace llmdit::models {

/// Modules carry their names in diffusers' AutoencoderKL. Everything runs in channels-last layout.
class Conv2d {
 public:
  Conv2d(const nn::Weights& weights, int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride = 1,
         int64_t padding = 0);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  int64_t stride_, padding_;
};

class GroupNorm {
 public:
  GroupNorm(const nn::Weights& weights, int64_t groups, int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  int64_t groups_;
};

/// GroupNorm, SiLU, conv, twice, beside a shortcut.
struct ResnetBlock {
  ResnetBlock(const nn::Weights& weights, int64_t groups, int64_t in_channels, int64_t out_channels);
  at::Tensor operator()(const at::Tensor& x) const;

  GroupNorm norm1;
  Conv2d conv1;
  GroupNorm norm2;
  Conv2d conv2;
  std::optional<Conv2d> conv_shortcut;
};

/// Single-head attention over all positions of the picture, with residual.
struct SpatialAttention {
  SpatialAttention(const nn::Weights& weights, int64_t groups, int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;

  struct Projection {
    Projection(const nn::Weights& weights, int64_t channels);
    at::Tensor operator()(const at::Tensor& x) const;
    at::Tensor weight, bias;
  };

  GroupNorm group_norm;
  Projection to_q, to_k, to_v, to_out;
};

struct MidBlock {
  MidBlock(const nn::Weights& weights, int64_t groups, int64_t channels, bool attention);
  at::Tensor operator()(const at::Tensor& x) const;

  ResnetBlock resnet_0;
  std::optional<SpatialAttention> attention_0;
  ResnetBlock resnet_1;
};

/// Resnets at one resolution, then a change of it except at the end.
struct ResolutionBlock {
  std::vector<ResnetBlock> resnets;
  std::optional<Conv2d> resample;  ///< `downsamplers.0.conv` or `upsamplers.0.conv`
};

struct Encoder {
  Encoder(const nn::Weights& weights, const AutoencoderKLConfig& config);
  at::Tensor operator()(const at::Tensor& pixels, const std::stop_token& stop) const;

  Conv2d conv_in;
  std::vector<ResolutionBlock> down_blocks;
  MidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

struct Decoder {
  Decoder(const nn::Weights& weights, const AutoencoderKLConfig& config);
  at::Tensor operator()(const at::Tensor& latents, const std::stop_token& stop) const;

  Conv2d conv_in;
  MidBlock mid_block;
  std::vector<ResolutionBlock> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

}  // namespace llmdit::models
