#include "models/autoencoder_kl.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "base/stop.hpp"
#include "nn/attention.hpp"
#include "nn/group_norm.hpp"
#include "nn/winograd.hpp"

namespace llmdit::models {
namespace {

constexpr double group_norm_eps = 1e-6;

at::Tensor channels_last(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

}  // namespace

int64_t full_size_channels(const AutoencoderKLConfig& config) {
  const auto& channels = config.block_out_channels;
  return channels.size() > 1 ? std::max(channels[0], channels[1]) : channels[0];
}

uint64_t most_whole_bytes(const AutoencoderKLConfig& config, int64_t pixels, uint64_t number_bytes) {
  return 5 * static_cast<uint64_t>(full_size_channels(config) * pixels) * number_bytes;
}

Conv2d::Conv2d(const nn::Weights& weights, int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride,
               int64_t padding)
    : weight_(
          weights.get_compute("weight", {out_channels, in_channels, kernel, kernel}, at::MemoryFormat::ChannelsLast)),
      bias_(weights.get_compute("bias", {out_channels})),
      stride_(stride),
      padding_(padding) {}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  const bool is_plain = weight_.size(2) == 3 && stride_ == 1 && padding_ == 1;
  if (is_plain && nn::is_for_winograd(x, weight_)) return nn::winograd_conv3x3(x, weight_, bias_);
  return at::conv2d(x, weight_, bias_, /*stride=*/{stride_, stride_}, /*padding=*/at::IntArrayRef{padding_, padding_});
}

GroupNorm::GroupNorm(const nn::Weights& weights, int64_t groups, int64_t channels)
    : weight_(weights.get_compute("weight", {channels})),
      bias_(weights.get_compute("bias", {channels})),
      groups_(groups) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x, PictureContext* context) const {
  if (context != nullptr && context->recorded()) return nn::normalize_groups(x, context->next(), weight_, bias_);
  if (context == nullptr && x.is_cpu()) return at::group_norm(x, groups_, weight_, bias_, group_norm_eps);
  nn::GroupStatistics statistics;
  at::Tensor y;
  if (x.is_cpu()) {
    std::tie(y, statistics.mean, statistics.rstd) =
        at::native_group_norm(x.contiguous(x.suggest_memory_format()), weight_, bias_, x.size(0), x.size(1),
                              x.size(2) * x.size(3), groups_, group_norm_eps);
  } else {
    // libtorch's kernel for a GPU copies channels-last input and keeps few of its processors busy.
    statistics = nn::measure_groups(x, groups_, group_norm_eps);
    y = nn::normalize_groups(x, statistics, weight_, bias_);
  }
  if (context != nullptr) context->add(statistics);
  return y;
}

ResnetBlock::ResnetBlock(const nn::Weights& weights, int64_t groups, int64_t in_channels, int64_t out_channels)
    : norm1(weights.scope("norm1"), groups, in_channels),
      conv1(weights.scope("conv1"), in_channels, out_channels, 3, 1, 1),
      norm2(weights.scope("norm2"), groups, out_channels),
      conv2(weights.scope("conv2"), out_channels, out_channels, 3, 1, 1) {
  if (in_channels != out_channels) conv_shortcut.emplace(weights.scope("conv_shortcut"), in_channels, out_channels, 1);
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, PictureContext* context) const {
  at::Tensor y = norm1(x, context);
  y = norm2(conv1(at::silu_(y)), context);
  y = conv2(at::silu_(y));
  return y.add_(conv_shortcut ? (*conv_shortcut)(x) : x);
}

SpatialAttention::Projection::Projection(const nn::Weights& weights, int64_t channels)
    : weight(weights.get_compute("weight", {channels, channels})), bias(weights.get_compute("bias", {channels})) {}

at::Tensor SpatialAttention::Projection::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

SpatialAttention::SpatialAttention(const nn::Weights& weights, int64_t groups, int64_t channels)
    // Its one head is wider than what most kernels take.
    : backend(weights.attention() == AttentionBackend::math ? AttentionBackend::math : AttentionBackend::sdpa),
      group_norm(weights.scope("group_norm"), groups, channels),
      to_q(weights.scope("to_q"), channels),
      to_k(weights.scope("to_k"), channels),
      to_v(weights.scope("to_v"), channels),
      to_out(weights.scope("to_out.0"), channels) {}

at::Tensor SpatialAttention::operator()(const at::Tensor& x, PictureContext* context) const {
  // [B, C, H, W] in channels-last layout is [B, 1, H * W, C] without a copy
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const at::Tensor rows =
      channels_last(group_norm(x, context)).permute({0, 2, 3, 1}).view({batch, 1, height * width, channels});
  PictureContext::Attended own;
  if (context == nullptr || !context->recorded()) own = {to_k(rows), to_v(rows)};
  if (context != nullptr && !context->recorded()) context->attended = own;
  const auto& [keys, values] = own.keys.defined() ? own : context->attended;
  const at::Tensor mixed = to_out(nn::attention(to_q(rows), keys, values, {.backend = backend}));
  return x + mixed.view({batch, height, width, channels}).permute({0, 3, 1, 2});
}

MidBlock::MidBlock(const nn::Weights& weights, int64_t groups, int64_t channels, bool attention)
    : resnet_0(weights.scope("resnets.0"), groups, channels, channels),
      resnet_1(weights.scope("resnets.1"), groups, channels, channels) {
  if (attention) attention_0.emplace(weights.scope("attentions.0"), groups, channels);
}

at::Tensor MidBlock::operator()(const at::Tensor& x, PictureContext* context) const {
  at::Tensor y = resnet_0(x, context);
  if (attention_0) y = (*attention_0)(y, context);
  return resnet_1(y, context);
}

Encoder::Encoder(const nn::Weights& weights, const AutoencoderKLConfig& c)
    : conv_in(weights.scope("conv_in"), c.in_channels, c.block_out_channels.front(), 3, 1, 1),
      mid_block(weights.scope("mid_block"), c.norm_num_groups, c.block_out_channels.back(), c.mid_block_add_attention),
      conv_norm_out(weights.scope("conv_norm_out"), c.norm_num_groups, c.block_out_channels.back()),
      conv_out(weights.scope("conv_out"), c.block_out_channels.back(), 2 * c.latent_channels, 3, 1, 1) {
  int64_t channels = c.block_out_channels.front();
  for (size_t i = 0; i < c.block_out_channels.size(); ++i) {
    const nn::Weights block_weights = weights.scope("down_blocks").scope(static_cast<int64_t>(i));
    ResolutionBlock block;
    for (int64_t j = 0; j < c.layers_per_block; ++j) {
      block.resnets.emplace_back(block_weights.scope("resnets").scope(j), c.norm_num_groups, channels,
                                 c.block_out_channels[i]);
      channels = c.block_out_channels[i];
    }
    if (i + 1 < c.block_out_channels.size())
      block.resample.emplace(block_weights.scope("downsamplers.0.conv"), channels, channels, 3, 2);
    down_blocks.push_back(std::move(block));
  }
}

at::Tensor Encoder::operator()(const at::Tensor& pixels, const std::stop_token& stop, PictureContext* context) const {
  // conv_in -> down_blocks -> mid_block -> conv_norm_out, SiLU -> conv_out: [B, 2 * latent_channels, h, w]
  at::Tensor x = conv_in(channels_last(pixels));
  for (const ResolutionBlock& block : down_blocks) {
    for (const ResnetBlock& resnet : block.resnets) {
      check_stop(stop, "vae");
      x = resnet(x, context);
    }
    // The stride-2 convolution is padded on the right and the bottom only.
    if (block.resample) x = (*block.resample)(at::constant_pad_nd(x, {0, 1, 0, 1}));
  }
  x = conv_norm_out(mid_block(x, context), context);
  return conv_out(at::silu_(x));
}

Decoder::Decoder(const nn::Weights& weights, const AutoencoderKLConfig& c)
    : conv_in(weights.scope("conv_in"), c.latent_channels, c.block_out_channels.back(), 3, 1, 1),
      mid_block(weights.scope("mid_block"), c.norm_num_groups, c.block_out_channels.back(), c.mid_block_add_attention),
      conv_norm_out(weights.scope("conv_norm_out"), c.norm_num_groups, c.block_out_channels.front()),
      conv_out(weights.scope("conv_out"), c.block_out_channels.front(), c.out_channels, 3, 1, 1) {
  int64_t channels = c.block_out_channels.back();
  for (size_t i = 0; i < c.block_out_channels.size(); ++i) {
    const nn::Weights block_weights = weights.scope("up_blocks").scope(static_cast<int64_t>(i));
    const int64_t out_channels = c.block_out_channels[c.block_out_channels.size() - 1 - i];
    ResolutionBlock block;
    for (int64_t j = 0; j < c.layers_per_block + 1; ++j) {  // one more than in the encoder
      block.resnets.emplace_back(block_weights.scope("resnets").scope(j), c.norm_num_groups, channels, out_channels);
      channels = out_channels;
    }
    if (i + 1 < c.block_out_channels.size())
      block.resample.emplace(block_weights.scope("upsamplers.0.conv"), channels, channels, 3, 1, 1);
    up_blocks.push_back(std::move(block));
  }
}

at::Tensor Decoder::operator()(const at::Tensor& latents, const std::stop_token& stop, PictureContext* context) const {
  // conv_in -> mid_block -> up_blocks -> conv_norm_out, SiLU -> conv_out: [B, out_channels, 8h, 8w]
  at::Tensor x = mid_block(conv_in(channels_last(latents)), context);
  for (const ResolutionBlock& block : up_blocks) {
    for (const ResnetBlock& resnet : block.resnets) {
      check_stop(stop, "vae");
      x = resnet(x, context);
    }
    if (block.resample) x = (*block.resample)(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
  }
  x = conv_norm_out(x, context);
  return conv_out(at::silu_(x));
}

}  // namespace llmdit::models
