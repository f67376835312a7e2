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

/// Mean and deviation of every group in every group norm of one network, in the order of the flow. Taken in one pass
/// and applied in others, so that pieces of a picture are normalised alike.
class NormStatistics {
 public:
  struct Entry {
    at::Tensor mean, rstd;  ///< [batch, groups]
  };

  /// From here on entries are read, from the first.
  void replay() { next_ = 0, recorded_ = true; }
  bool recorded() const { return recorded_; }

  void add(Entry entry) { entries_.push_back(std::move(entry)); }
  const Entry& next() { return entries_.at(next_++); }

 private:
  std::vector<Entry> entries_;
  size_t next_ = 0;
  bool recorded_ = false;
};

class GroupNorm {
 public:
  GroupNorm(const nn::Weights& weights, int64_t groups, int64_t channels);

  /// With statistics: those of x are added to them, or they take the place of those of x once they are recorded.
  at::Tensor operator()(const at::Tensor& x, NormStatistics* statistics) const;

 private:
  at::Tensor apply(const at::Tensor& x, const NormStatistics::Entry& entry) const;

  at::Tensor weight_, bias_;
  int64_t groups_;
};

/// GroupNorm, SiLU, conv, twice, beside a shortcut.
struct ResnetBlock {
  ResnetBlock(const nn::Weights& weights, int64_t groups, int64_t in_channels, int64_t out_channels);
  at::Tensor operator()(const at::Tensor& x, NormStatistics* statistics) const;

  GroupNorm norm1;
  Conv2d conv1;
  GroupNorm norm2;
  Conv2d conv2;
  std::optional<Conv2d> conv_shortcut;
};

/// Single-head attention over all positions of the picture, with residual.
struct SpatialAttention {
  SpatialAttention(const nn::Weights& weights, int64_t groups, int64_t channels);
  at::Tensor operator()(const at::Tensor& x, NormStatistics* statistics) const;

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
  at::Tensor operator()(const at::Tensor& x, NormStatistics* statistics) const;

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
  at::Tensor operator()(const at::Tensor& pixels, const std::stop_token& stop,
                        NormStatistics* statistics = nullptr) const;

  Conv2d conv_in;
  std::vector<ResolutionBlock> down_blocks;
  MidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

struct Decoder {
  Decoder(const nn::Weights& weights, const AutoencoderKLConfig& config);
  at::Tensor operator()(const at::Tensor& latents, const std::stop_token& stop,
                        NormStatistics* statistics = nullptr) const;

  Conv2d conv_in;
  MidBlock mid_block;
  std::vector<ResolutionBlock> up_blocks;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
};

}  // namespace llmdit::models
