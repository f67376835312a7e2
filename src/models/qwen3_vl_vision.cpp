#include "models/qwen3_vl_vision.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "nn/attention.hpp"

namespace llmdit::models {
namespace {

using Bias = nn::Linear::Bias;

constexpr double layer_norm_eps = 1e-6;

/// Where positions of a grid of `count` lie in a table of `side`: the first and the last at its ends.
struct Taps {
  at::Tensor first, second;  // int64
  at::Tensor share;          // float32, of the second
};

Taps make_taps(const at::Tensor& index, int64_t count, int64_t side) {
  const at::Tensor source =
      index.to(at::kFloat) * static_cast<double>(side - 1) / static_cast<double>(std::max<int64_t>(count - 1, 1));
  const at::Tensor down = source.floor();
  const at::Tensor first = down.to(at::kLong);
  return {.first = first, .second = (first + 1).clamp_max(side - 1), .share = source - down};
}

}  // namespace

Qwen3VLVision::Attention::Attention(const nn::Weights& weights, const Qwen3VLVisionConfig& c)
    : backend(weights.attention()),
      heads(c.num_heads),
      qkv(weights.scope("qkv"), c.hidden_size, 3 * c.hidden_size, Bias::yes),
      proj(weights.scope("proj"), c.hidden_size, c.hidden_size, Bias::yes) {}

at::Tensor Qwen3VLVision::Attention::operator()(const at::Tensor& x, const nn::RopeHalves& rope) const {
  const auto parts = qkv(x).view({x.size(0), 3, heads, -1}).unbind(1);
  const auto rotate = [&](const at::Tensor& part) {
    return nn::rotate_halves(part.to(at::kFloat), rope).to(part.scalar_type());
  };
  return proj(nn::packed_attention(backend, rotate(parts[0]), rotate(parts[1]), parts[2], {x.size(0)}));
}

Qwen3VLVision::Block::Block(const nn::Weights& weights, const Qwen3VLVisionConfig& c)
    : norm1(weights.scope("norm1"), c.hidden_size, layer_norm_eps),
      norm2(weights.scope("norm2"), c.hidden_size, layer_norm_eps),
      attn(weights.scope("attn"), c),
      linear_fc1(weights.scope("mlp").scope("linear_fc1"), c.hidden_size, c.intermediate_size, Bias::yes),
      linear_fc2(weights.scope("mlp").scope("linear_fc2"), c.intermediate_size, c.hidden_size, Bias::yes) {}

at::Tensor Qwen3VLVision::Block::operator()(const at::Tensor& x, const nn::RopeHalves& rope) const {
  const at::Tensor y = x + attn(norm1(x), rope);
  return y + linear_fc2(at::gelu(linear_fc1(norm2(y)), "tanh"));
}

Qwen3VLVision::Merger::Merger(const nn::Weights& weights, const Qwen3VLVisionConfig& c, Norm kind)
    : width(c.hidden_size * c.spatial_merge_size * c.spatial_merge_size),
      kind(kind),
      norm(weights.scope("norm"), kind == Norm::block ? width : c.hidden_size, layer_norm_eps),
      linear_fc1(weights.scope("linear_fc1"), width, width, Bias::yes),
      linear_fc2(weights.scope("linear_fc2"), width, c.out_hidden_size, Bias::yes) {}

at::Tensor Qwen3VLVision::Merger::operator()(const at::Tensor& x) const {
  const at::Tensor blocks = kind == Norm::block ? norm(x.reshape({-1, width})) : norm(x).reshape({-1, width});
  return linear_fc2(at::gelu(linear_fc1(blocks)));
}

Qwen3VLVision::Qwen3VLVision(const nn::Weights& weights, const Qwen3VLVisionConfig& c)
    : config_(c), merger_(weights.scope("merger"), c, Merger::Norm::patch) {
  const nn::Weights patch = weights.scope("patch_embed").scope("proj");
  patch_weight_ =
      patch.get_compute("weight", {c.hidden_size, c.in_channels, c.temporal_patch_size, c.patch_size, c.patch_size})
          .reshape({c.hidden_size, -1});
  patch_bias_ = patch.get_compute("bias", {c.hidden_size});
  pos_embed_ = weights.scope("pos_embed").get_compute("weight", {c.num_position_embeddings, c.hidden_size});
  for (int64_t i = 0; i < c.depth; ++i) blocks_.emplace_back(weights.scope("blocks").scope(i), c);
  for (size_t i = 0; i < c.deepstack_visual_indexes.size(); ++i) {
    const nn::Weights merger = weights.scope("deepstack_merger_list").scope(static_cast<int64_t>(i));
    deepstack_mergers_.emplace_back(merger, c, Merger::Norm::block);
  }
}

void Qwen3VLVision::check_pixels(const PixelValues& pixels) const {
  const auto [t, h, w] = pixels.grid_thw;
  const int64_t merge = config_.spatial_merge_size, columns = patch_weight_.size(1);
  constexpr int64_t most = int64_t{1} << 20;
  check(t == 1 && h >= 1 && w >= 1 && h <= most && w <= most && h % merge == 0 && w % merge == 0, "vision",
        "expected grid_thw of one frame and multiples of {} patches, got [{}, {}, {}]", merge, t, h, w);
  check(pixels.pixel_values.defined() && pixels.pixel_values.dim() == 2 && pixels.pixel_values.size(0) == h * w &&
            pixels.pixel_values.size(1) == columns && pixels.pixel_values.is_floating_point(),
        "vision", "expected floating-point pixel_values [{}, {}], got {}", h * w, columns,
        pixels.pixel_values.defined() ? fmt::format("{} of [{}]", c10::toString(pixels.pixel_values.scalar_type()),
                                                    fmt::join(pixels.pixel_values.sizes(), ", "))
                                      : "an empty tensor");
}

std::array<at::Tensor, 2> Qwen3VLVision::patch_places(int64_t rows, int64_t columns) const {
  const int64_t m = config_.spatial_merge_size;
  const auto order = [&](const at::Tensor& places) {
    return places.expand({rows, columns}).reshape({rows / m, m, columns / m, m}).transpose(1, 2).flatten();
  };
  return {order(at::arange(rows, at::kLong).unsqueeze(1)), order(at::arange(columns, at::kLong))};
}

at::Tensor Qwen3VLVision::position_embeddings(const std::array<at::Tensor, 2>& places, int64_t rows,
                                              int64_t columns) const {
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(config_.num_position_embeddings))));
  const Taps y = make_taps(places[0], rows, side), x = make_taps(places[1], columns, side);
  const auto corner = [&](const at::Tensor& row, const at::Tensor& column, const at::Tensor& weight) {
    const at::Tensor index = (row * side + column).to(pos_embed_.device());
    return pos_embed_.index_select(0, index).to(at::kFloat) * weight.to(pos_embed_.device()).unsqueeze(1);
  };
  return corner(y.first, x.first, (1 - y.share) * (1 - x.share)) + corner(y.first, x.second, (1 - y.share) * x.share) +
         corner(y.second, x.first, y.share * (1 - x.share)) + corner(y.second, x.second, y.share * x.share);
}

nn::RopeHalves Qwen3VLVision::rope(const std::array<at::Tensor, 2>& places) const {
  const int64_t spatial = config_.hidden_size / config_.num_heads / 2;  // columns for each of the two directions
  const at::Tensor inverse = 1.0 / at::pow(config_.rope_theta, at::arange(0, spatial, 2, at::kFloat) / spatial);
  const auto angles = [&](const at::Tensor& place) { return at::outer(place.to(at::kFloat), inverse); };
  const at::Tensor half = at::cat({angles(places[0]), angles(places[1])}, 1);
  const at::Tensor all = at::cat({half, half}, 1).to(pos_embed_.device());
  return {all.cos(), all.sin()};
}

VLImageFeatures Qwen3VLVision::operator()(const PixelValues& pixels, const std::stop_token& stop) const {
  // pixel_values -> patch_embed + pos_embed -> blocks (some tapped by deepstack mergers) -> merger
  check_pixels(pixels);
  const int64_t rows = pixels.grid_thw[1], columns = pixels.grid_thw[2];
  const auto places = patch_places(rows, columns);
  at::Tensor x = at::linear(pixels.pixel_values.to(patch_weight_.options()), patch_weight_, patch_bias_);
  x = x + position_embeddings(places, rows, columns).to(x.scalar_type());
  const nn::RopeHalves halves = rope(places);

  VLImageFeatures features;
  const auto& taps = config_.deepstack_visual_indexes;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    check_stop(stop, "vision");
    x = blocks_[i](x, halves);
    const auto tap = std::ranges::find(taps, static_cast<int64_t>(i));
    if (tap != taps.end()) features.deepstack.push_back(deepstack_mergers_[static_cast<size_t>(tap - taps.begin())](x));
  }
  features.embeddings = merger_(x);
  return features;
}

}  // namespace llmdit::models
