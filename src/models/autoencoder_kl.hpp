#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <stop_token>
#include <vector>

#include "llmdit/autoencoder_kl.hpp"
#include "nn/group_norm.hpp"
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

/// What a network's group norms and attention take from the whole of a picture: mean and deviation of every group, in
/// the order of the flow, and the keys and values of every place. Taken in one pass and used in others, so that pieces
/// of a picture go through alike.
class PictureContext {
 public:
  struct Attended {
    at::Tensor keys, values;  ///< [batch, 1, places, channels]
  };

  /// From here on it is used, from the first norm.
  void replay() { next_ = 0, recorded_ = true; }
  bool recorded() const { return recorded_; }

  void add(nn::GroupStatistics statistics) { statistics_.push_back(std::move(statistics)); }
  const nn::GroupStatistics& next() { return statistics_.at(next_++); }

  Attended attended;  ///< of the one attention there is

 private:
  std::vector<nn::GroupStatistics> statistics_;
  size_t next_ = 0;
  bool recorded_ = false;
};

/// Channels where the picture has its full size, in the widest place.
int64_t full_size_channels(const AutoencoderKLConfig& config);

/// What a picture may take that goes through as a whole: five activations at full size (measured: 3 to 4.5).
uint64_t most_whole_bytes(const AutoencoderKLConfig& config, int64_t pixels, uint64_t number_bytes);

class GroupNorm {
 public:
  GroupNorm(const nn::Weights& weights, int64_t groups, int64_t channels);

  /// With a context: the statistics of x are added to it, or once it is recorded give way to its own.
  at::Tensor operator()(const at::Tensor& x, PictureContext* context) const;

 private:
  at::Tensor weight_, bias_;
  int64_t groups_;
};

/// GroupNorm, SiLU, conv, twice, beside a shortcut.
struct ResnetBlock {
  ResnetBlock(const nn::Weights& weights, int64_t groups, int64_t in_channels, int64_t out_channels);
  at::Tensor operator()(const at::Tensor& x, PictureContext* context) const;

  GroupNorm norm1;
  Conv2d conv1;
  GroupNorm norm2;
  Conv2d conv2;
  std::optional<Conv2d> conv_shortcut;
};

/// Single-head attention over all positions of the picture, with residual; with a context to or from it, as GroupNorm.
struct SpatialAttention {
  SpatialAttention(const nn::Weights& weights, int64_t groups, int64_t channels);
  at::Tensor operator()(const at::Tensor& x, PictureContext* context) const;

  struct Projection {
    Projection(const nn::Weights& weights, int64_t channels);
    at::Tensor operator()(const at::Tensor& x) const;
    at::Tensor weight, bias;
  };

  AttentionBackend backend;
  GroupNorm group_norm;
  Projection to_q, to_k, to_v, to_out;
};

struct MidBlock {
  MidBlock(const nn::Weights& weights, int64_t groups, int64_t channels, bool attention);
  at::Tensor operator()(const at::Tensor& x, PictureContext* context) const;

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
  at::Tensor operator()(const at::Tensor& pixels, const std::stop_token& stop, PictureContext* context = nullptr) const;

  Conv2d conv_in;
  std::vector<ResolutionBlock> down_blocks;
  MidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

struct Decoder {
  Decoder(const nn::Weights& weights, const AutoencoderKLConfig& config);
  at::Tensor operator()(const at::Tensor& latents, const std::stop_token& stop,
                        PictureContext* context = nullptr) const;

  Conv2d conv_in;
  MidBlock mid_block;
  std::vector<ResolutionBlock> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

}  // namespace llmdit::models
