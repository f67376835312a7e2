#include "pipeline/stage_costs.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/available_memory.hpp"
#include "base/stopwatch.hpp"
#include "models/autoencoder_kl.hpp"
#include "nn/matmul.hpp"
#include "nn/quantize.hpp"

namespace llmdit {
namespace {

constexpr int64_t packed_rows = 1152;  // of a product's input that are packed at a time

int64_t round_up(int64_t rows) { return (rows + seq_multi_of - 1) / seq_multi_of * seq_multi_of; }

/// A product's copy of its input, on a CPU.
uint64_t packing(int64_t rows, int64_t widest, const nn::Placement& placement) {
  return placement.device.is_cpu() ? static_cast<uint64_t>(std::min(rows, packed_rows) * widest) * 4 : 0;
}

/// Scores of every head, which only the formula step by step keeps.
uint64_t scores(const Workplace& place, int64_t items, int64_t heads, int64_t rows) {
  if (place.placement.attention != AttentionBackend::math) return 0;
  return 2 * static_cast<uint64_t>(items * heads * rows * rows) * place.number_bytes();
}

double attention_flops(double rows, double width) { return 4 * rows * rows * width; }

/// One 3 x 3 convolution of the picture.
double conv_flops(int64_t in, int64_t out, double pixels) {
  return 2.0 * 9 * static_cast<double>(in) * static_cast<double>(out) * pixels;
}

double decoder_flops(const AutoencoderKLConfig& c, double latent_pixels) {
  const auto& channels = c.block_out_channels;
  double pixels = latent_pixels;
  int64_t from = channels.back();
  double flops = conv_flops(c.latent_channels, from, pixels) + 4 * conv_flops(from, from, pixels);
  if (c.mid_block_add_attention) flops += attention_flops(pixels, static_cast<double>(from));
  for (size_t i = channels.size(); i-- > 0;) {
    for (int64_t j = 0; j < c.layers_per_block + 1; ++j) {
      flops += conv_flops(from, channels[i], pixels) + conv_flops(channels[i], channels[i], pixels);
      from = channels[i];
    }
    if (i == 0) break;
    pixels *= 4;
    flops += conv_flops(from, from, pixels);
  }
  return flops + conv_flops(from, c.out_channels, pixels);
}

}  // namespace

RowCounts count_rows(const ZImageTransformerConfig& config, const GenerateOptions& options, const MemoryPlan& plan,
                     int64_t image_tokens) {
  RowCounts rows;
  for (const int64_t tokens : plan.token_counts) {
    rows.tokens += tokens;
    rows.longest_prompt = std::max(rows.longest_prompt, tokens);
  }
  const bool guided = options.guidance_scale > 0;
  rows.steps = options.sigmas.empty() ? options.num_inference_steps : static_cast<int64_t>(options.sigmas.size());
  rows.items = plan.batch * (guided ? 2 : 1);
  rows.keeps_steps = options.step_cache > 0;
  rows.image = round_up(image_tokens);
  rows.caption = std::min(round_up(std::max<int64_t>(1, rows.longest_prompt)), max_caption_len(config));
  return rows;
}

int64_t blocks_run(const Qwen3Config& config, const GenerateOptions& options) {
  const auto entry = [&](int64_t layer) { return layer < 0 ? config.num_hidden_layers + 1 + layer : layer; };
  if (options.layer_weights.empty() && options.layer_spans.empty()) return entry(options.hidden_layer);
  return config.num_hidden_layers;  // a mix may ask for any
}

StageCost encode_cost(const Qwen3Config& c, const RowCounts& rows, const Workplace& place) {
  const int64_t heads = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  const int64_t attention = 3 * c.hidden_size + 3 * heads + 4 * kv, mlp = 3 * c.hidden_size + 2 * c.intermediate_size;
  StageCost cost;
  cost.bytes = static_cast<uint64_t>(rows.tokens * std::max(attention, mlp)) * place.number_bytes() +
               packing(rows.tokens, c.intermediate_size, place.placement) + place.workspace() +
               scores(place, 1, c.num_attention_heads, rows.longest_prompt);
  const double matrices = static_cast<double>(c.hidden_size) * static_cast<double>(2 * heads + 2 * kv) +
                          3.0 * static_cast<double>(c.hidden_size) * static_cast<double>(c.intermediate_size);
  const auto tokens = static_cast<double>(rows.tokens);
  const double a_block =
      2 * matrices * tokens + attention_flops(static_cast<double>(rows.longest_prompt), static_cast<double>(heads)) / 2;
  cost.flops = a_block * static_cast<double>(rows.encoder_blocks);
  return cost;
}

StageCost denoise_cost(const ZImageTransformerConfig& c, const RowCounts& rows, const Workplace& place) {
  const int64_t hidden = c.dim / 3 * 8;
  // On a GPU rotations, which have float32 copies, count more than the feed-forward layers; measured.
  const int64_t row_numbers = place.is_cpu() ? std::max(2 * c.dim + 2 * hidden, 7 * c.dim) : 12 * c.dim;
  const int64_t rope_bytes = c.dim / c.n_heads / 2 * 8 * 2;
  // The rows before the layers, what the first one adds, and what the others did, of the last step and of this one.
  const int64_t kept_numbers = rows.keeps_steps ? 4 * c.dim : 0;
  StageCost cost;
  cost.bytes = static_cast<uint64_t>(rows.rows() * (row_numbers + kept_numbers)) * place.number_bytes() +
               static_cast<uint64_t>(rows.rows() * rope_bytes) + packing(rows.rows(), hidden, place.placement) +
               place.workspace() + scores(place, rows.items, c.n_heads, rows.sequence());
  const double dim = static_cast<double>(c.dim), matrices = 4 * dim * dim + 3 * dim * static_cast<double>(hidden);
  const auto blocks = [&](int64_t count, int64_t length) {
    const auto own = static_cast<double>(length);
    return static_cast<double>(count * rows.items) * (2 * matrices * own + attention_flops(own, dim));
  };
  cost.flops =
      static_cast<double>(rows.steps) * (blocks(c.n_layers, rows.sequence()) + blocks(c.n_refiner_layers, rows.image)) +
      blocks(c.n_refiner_layers, rows.caption);
  return cost;
}

StageCost decode_cost(const AutoencoderKLConfig& c, const MemoryPlan& plan, const TilingOptions& tiling,
                      const Workplace& place) {
  const auto widest = static_cast<uint64_t>(models::full_size_channels(c));
  const auto whole = static_cast<uint64_t>(plan.width) * static_cast<uint64_t>(plan.height);
  // Numbers a pixel, in twentieths of the widest layer: measured, on a GPU with libtorch's group norm.
  const uint64_t twentieths = place.is_cpu() ? 61 : 70;
  const auto of_pixels = [&](uint64_t pixels) { return pixels * widest * place.number_bytes() * twentieths / 20; };
  const bool is_larger = plan.width > tiling.tile_size || plan.height > tiling.tile_size;
  const bool is_tiled = is_larger && (tiling.mode == TilingMode::on ||
                                      (tiling.mode == TilingMode::automatic &&
                                       models::most_whole_bytes(c, plan.width * plan.height, place.number_bytes()) >
                                           available_memory(place.placement.device)));
  const auto tile = static_cast<uint64_t>(tiling.tile_size * tiling.tile_size);
  StageCost cost;
  cost.bytes =
      of_pixels(is_tiled ? std::min(tile, whole) : whole) + whole * 3 * place.number_bytes() * 3 + place.workspace();
  const auto scale = static_cast<double>(c.vae_scale_factor());
  cost.flops = decoder_flops(c, static_cast<double>(whole) / (scale * scale)) * static_cast<double>(plan.batch);
  return cost;
}

double measure_rate(int64_t width, const Workplace& place) {
  constexpr int64_t rows = 512;
  const nn::Placement& placement = place.placement;
  const at::Tensor numbers = at::randn({width, width});
  const auto stored = placement.storage.value_or(place.is_cpu() ? at::kBFloat16 : place.compute);
  nn::StoredTensor weight{.data = numbers.to(stored), .shape = {width, width}};
  if (placement.quantization != Quantization::none)
    weight = nn::quantize(numbers, placement.quantization, placement.device);
  const auto matmul = nn::make_matmul(weight.on(placement.device), place.compute);
  const at::Tensor x = at::randn({rows, width}).to(placement.device, place.compute);
  const auto multiply = [&] { return (*matmul)(x, {}).sum().item<float>(); };  // item waits for a GPU
  multiply();
  Stopwatch watch;
  constexpr int times = 3;
  for (int i = 0; i < times; ++i) multiply();
  return times * 2.0 * rows * static_cast<double>(width) * static_cast<double>(width) / watch.lap();
}

}  // namespace llmdit
