#include "models/z_image_transformer.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "nn/attention.hpp"
#include "nn/rope.hpp"

namespace llmdit::models {
namespace {

using Bias = nn::Linear::Bias;

constexpr int64_t frequency_size = 256;  // width of the sinusoidal time embedding
constexpr int64_t t_embedder_hidden = 1024;
constexpr double qk_norm_eps = 1e-5;  // fixed in the reference, unlike norm_eps
constexpr double final_norm_eps = 1e-6;

int64_t adaln_width(const ZImageTransformerConfig& config) { return std::min<int64_t>(config.dim, 256); }
int64_t ffn_hidden(const ZImageTransformerConfig& config) {
  return static_cast<int64_t>(static_cast<double>(config.dim) / 3 * 8);  // in double, as the reference rounds
}
int64_t patch_features(const ZImageTransformerConfig& config) {
  return config.f_patch_size * config.patch_size * config.patch_size * config.in_channels;
}
std::string patch_key(const ZImageTransformerConfig& config) {
  return fmt::format("{}-{}", config.patch_size, config.f_patch_size);
}
int64_t round_up(int64_t rows) { return (rows + seq_multi_of - 1) / seq_multi_of * seq_multi_of; }

/// Appends copies of `pad` [1, dim] up to a multiple of 32 rows.
at::Tensor pad_rows(const at::Tensor& x, const at::Tensor& pad) {
  const int64_t missing = round_up(x.size(0)) - x.size(0);
  return missing == 0 ? x : at::cat({x, pad.expand({missing, -1})});
}

}  // namespace

// --- time
// ---------------------------------------------------------------------------------------------------------------------

ZImageTransformerModel::TimestepEmbedder::TimestepEmbedder(const nn::Weights& weights, int64_t out_size)
    : compute(weights.compute()),
      mlp_0(weights.scope("mlp.0"), frequency_size, t_embedder_hidden, Bias::yes),
      mlp_2(weights.scope("mlp.2"), t_embedder_hidden, out_size, Bias::yes) {}

at::Tensor ZImageTransformerModel::TimestepEmbedder::operator()(const at::Tensor& t) const {
  // t [batch], scaled -> [cos, sin] float32 -> mlp
  const int64_t half = frequency_size / 2;
  const at::Tensor frequencies = at::exp(at::arange(half, t.options()) * (-std::log(10000.0) / half));
  const at::Tensor angles = t.unsqueeze(1) * frequencies;
  return mlp_2(at::silu(mlp_0(at::cat({angles.cos(), angles.sin()}, -1).to(compute))));
}

at::Tensor ZImageTransformerModel::TimeConditioning::per_row(const at::Tensor& values) const {
  if (values.size(0) == 1) return values;
  return at::repeat_interleave(values, at::tensor(lengths, at::kLong).to(values.device()), 0);
}

// --- block
// --------------------------------------------------------------------------------------------------------------------

ZImageTransformerModel::Attention::Attention(const nn::Weights& weights, const ZImageTransformerConfig& c)
    : backend(weights.attention()),
      n_heads(c.n_heads),
      to_q(weights.scope("to_q"), c.dim, c.dim, Bias::no),
      to_k(weights.scope("to_k"), c.dim, c.dim, Bias::no),
      to_v(weights.scope("to_v"), c.dim, c.dim, Bias::no),
      to_out(weights.scope("to_out.0"), c.dim, c.dim, Bias::no) {
  if (c.qk_norm) {
    norm_q.emplace(weights.scope("norm_q"), c.dim / c.n_heads, qk_norm_eps);
    norm_k.emplace(weights.scope("norm_k"), c.dim / c.n_heads, qk_norm_eps);
  }
}

at::Tensor ZImageTransformerModel::Attention::operator()(const at::Tensor& x, const PackedRows& rows) const {
  const auto split_heads = [&](const at::Tensor& y) { return y.view({y.size(0), n_heads, -1}); };
  const auto turn = [&](const std::optional<nn::RmsNorm>& norm, const at::Tensor& y) {
    return norm ? norm->rotated_pairs(y, rows.freqs_cis) : nn::rotate_pairs(y, rows.freqs_cis);
  };
  const at::Tensor q = turn(norm_q, split_heads(to_q(x))), k = turn(norm_k, split_heads(to_k(x)));
  return to_out(nn::packed_attention(backend, q, k, split_heads(to_v(x)), rows.lengths));
}

ZImageTransformerModel::Block::Block(const nn::Weights& weights, const ZImageTransformerConfig& c,
                                     Modulation modulation)
    : attention_norm1(weights.scope("attention_norm1"), c.dim, c.norm_eps),
      attention_norm2(weights.scope("attention_norm2"), c.dim, c.norm_eps),
      ffn_norm1(weights.scope("ffn_norm1"), c.dim, c.norm_eps),
      ffn_norm2(weights.scope("ffn_norm2"), c.dim, c.norm_eps),
      attention(weights.scope("attention"), c),
      feed_forward(weights.scope("feed_forward"), {"w1", "w3", "w2"}, c.dim, ffn_hidden(c)) {
  if (modulation == Modulation::yes) {
    adaLN_modulation.emplace(weights.scope("adaLN_modulation.0"), adaln_width(c), 4 * c.dim, Bias::yes);
  }
}

void ZImageTransformerModel::Block::operator()(PackedRows& rows) const {
  // x += norm2(attention(norm1(x)));  x += ffn_norm2(feed_forward(ffn_norm1(x)))
  attention_norm2.add_to(rows.x, attention(attention_norm1(rows.x), rows));
  ffn_norm2.add_to(rows.x, feed_forward(ffn_norm1(rows.x)));
}

void ZImageTransformerModel::Block::operator()(PackedRows& rows, const TimeConditioning& time) const {
  // x += gate_msa * norm2(attention(norm1(x) * scale_msa));  x += gate_mlp * ffn_norm2(feed_forward(ffn_norm1(x) *
  // scale_mlp))
  const auto modulation = adaLN_modulation->operator()(time.c).chunk(4, -1);
  const at::Tensor scale_msa = time.per_row(modulation[0] + 1), gate_msa = time.per_row(modulation[1].tanh());
  const at::Tensor scale_mlp = time.per_row(modulation[2] + 1), gate_mlp = time.per_row(modulation[3].tanh());
  attention_norm2.add_to(rows.x, attention(attention_norm1.scaled(rows.x, scale_msa), rows), gate_msa);
  ffn_norm2.add_to(rows.x, feed_forward(ffn_norm1.scaled(rows.x, scale_mlp)), gate_mlp);
}

ZImageTransformerModel::FinalLayer::FinalLayer(const nn::Weights& weights, const ZImageTransformerConfig& c)
    : linear(weights.scope("linear"), c.dim, patch_features(c), Bias::yes),
      adaLN_modulation(weights.scope("adaLN_modulation.1"), adaln_width(c), c.dim, Bias::yes) {}

at::Tensor ZImageTransformerModel::FinalLayer::operator()(const at::Tensor& x, const TimeConditioning& time) const {
  const at::Tensor scale = time.per_row(adaLN_modulation(at::silu(time.c)) + 1);
  return linear(at::layer_norm(x, {x.size(-1)}, {}, {}, final_norm_eps).mul_(scale));
}

// --- patches and positions
// ----------------------------------------------------------------------------------------------------

at::Tensor ZImageTransformerModel::patchify(const at::Tensor& latents) const {
  // [C, F, h, w] -> tokens in raster order, features (pf, ph, pw, c) with the channel fastest
  const int64_t p = config_.patch_size, pf = config_.f_patch_size;
  const int64_t c = latents.size(0), f = latents.size(1), h = latents.size(2), w = latents.size(3);
  return latents.reshape({c, f / pf, pf, h / p, p, w / p, p})
      .permute({1, 3, 5, 2, 4, 6, 0})
      .reshape({-1, patch_features(config_)});
}

at::Tensor ZImageTransformerModel::unpatchify(const at::Tensor& tokens, ImageSize size) const {
  const int64_t p = config_.patch_size, pf = config_.f_patch_size, c = config_.in_channels;
  return tokens.view({1, size.h, size.w, pf, p, p, c})
      .permute({6, 0, 3, 1, 4, 2, 5})
      .reshape({c, pf, size.h * p, size.w * p});
}

at::Tensor ZImageTransformerModel::caption_freqs(int64_t rows) const {
  // Caption rows, pads among them, stand at (1 + i, 0, 0).
  const auto& d = config_.axes_dims;
  const at::Tensor axis0 = nn::rope_table(rows + 1, d[0], config_.rope_theta).narrow(0, 1, rows);
  const at::Tensor still = at::ones({rows, (d[1] + d[2]) / 2}, at::kComplexFloat);
  return at::cat({axis0, still}, 1);
}

at::Tensor ZImageTransformerModel::image_freqs(ImageSize size, int64_t caption_rows) const {
  // Image rows stand at (caption rows + 1, row, column), their pads at (0, 0, 0), whose rotation is none.
  const auto& d = config_.axes_dims;
  const double theta = config_.rope_theta;
  const at::Tensor axis0 = nn::rope_table(caption_rows + 2, d[0], theta).narrow(0, caption_rows + 1, 1);
  const at::Tensor axis1 = nn::rope_table(size.h, d[1], theta);
  const at::Tensor axis2 = nn::rope_table(size.w, d[2], theta);
  const at::Tensor grid =
      at::cat({axis0.unsqueeze(0).expand({size.h, size.w, -1}), axis1.unsqueeze(1).expand({-1, size.w, -1}),
               axis2.unsqueeze(0).expand({size.h, -1, -1})},
              2)
          .flatten(0, 1);
  const int64_t pads = round_up(size.tokens()) - size.tokens();
  return pads == 0 ? grid : at::cat({grid, at::ones({pads, grid.size(1)}, grid.options())});
}

// --- model
// --------------------------------------------------------------------------------------------------------------------

ZImageTransformerModel::ZImageTransformerModel(const nn::Weights& weights, const ZImageTransformerConfig& c)
    : config_(c),
      x_embedder_(weights.scope("all_x_embedder").scope(patch_key(c)), patch_features(c), c.dim, Bias::yes),
      cap_norm_(weights.scope("cap_embedder.0"), c.cap_feat_dim, c.norm_eps),
      cap_embedder_(weights.scope("cap_embedder.1"), c.cap_feat_dim, c.dim, Bias::yes),
      t_embedder_(weights.scope("t_embedder"), adaln_width(c)),
      x_pad_token_(weights.get_compute("x_pad_token", {1, c.dim})),
      cap_pad_token_(weights.get_compute("cap_pad_token", {1, c.dim})),
      final_layer_(weights.scope("all_final_layer").scope(patch_key(c)), c) {
  const auto build = [&](nn::BlockList<Block>& blocks, const char* name, int64_t count, Block::Modulation modulation) {
    const auto make = [c, modulation](const nn::Weights& own) {
      return std::make_shared<const Block>(own, c, modulation);
    };
    for (int64_t i = 0; i < count; ++i) blocks.add(weights.scope(name).scope(i), make);
  };
  build(noise_refiner_, "noise_refiner", c.n_refiner_layers, Block::Modulation::yes);
  build(context_refiner_, "context_refiner", c.n_refiner_layers, Block::Modulation::no);
  build(layers_, "layers", c.n_layers, Block::Modulation::yes);
}

Conditioning ZImageTransformerModel::condition(std::span<const at::Tensor> prompt_embeds,
                                               const ConditionOptions& options) const {
  // cap_embedder -> pad to a multiple of 32 -> context_refiner; attended rows are those of the own caption
  Conditioning conditioning;
  for (const at::Tensor& embeds : prompt_embeds) {
    check(embeds.defined() && embeds.dim() == 2 && embeds.size(1) == config_.cap_feat_dim, "transformer",
          "expected prompt_embeds of [tokens, {}], got {}", config_.cap_feat_dim,
          embeds.defined() ? fmt::format("[{}]", fmt::join(embeds.sizes(), ", ")) : "none");
    // Positions are computed, so that past the rope table's end nothing breaks but what the model has learnt.
    check(embeds.size(0) >= 1 && (options.extrapolate || embeds.size(0) <= max_caption_len(config_)), "transformer",
          "expected 1 to {} caption tokens, got {}; compress_embeddings shortens them, extrapolate takes them all",
          max_caption_len(config_), embeds.size(0));
    const at::Tensor cap_feats = embeds.to(cap_pad_token_.options());
    PackedRows rows{.x = pad_rows(cap_embedder_(cap_norm_(cap_feats)), cap_pad_token_), .freqs_cis = {}, .lengths = {}};
    rows.freqs_cis = caption_freqs(rows.x.size(0)).to(rows.x.device());
    rows.lengths = {rows.x.size(0)};
    for (const Block& block : context_refiner_) {
      check_stop(options.stop, "transformer");
      block(rows);
    }
    conditioning.captions.push_back(rows.x);
  }
  return conditioning;
}

PackedRows ZImageTransformerModel::embed_images(std::span<const at::Tensor> latents,
                                                const std::vector<ImageSize>& sizes,
                                                const Conditioning& conditioning) const {
  std::vector<at::Tensor> parts, freqs;
  PackedRows rows;
  for (size_t i = 0; i < latents.size(); ++i) {
    parts.push_back(pad_rows(x_embedder_(patchify(latents[i].to(x_pad_token_.options()))), x_pad_token_));
    freqs.push_back(image_freqs(sizes[i], conditioning.captions[i].size(0)));
    rows.lengths.push_back(parts.back().size(0));
  }
  rows.x = at::cat(parts);
  rows.freqs_cis = at::cat(freqs).to(rows.x.device());
  return rows;
}

PackedRows ZImageTransformerModel::join(const PackedRows& images, const Conditioning& conditioning) const {
  // per item [image rows, caption rows]
  std::vector<at::Tensor> parts, freqs;
  PackedRows rows;
  int64_t begin = 0;
  for (size_t i = 0; i < images.lengths.size(); ++i) {
    const int64_t length = images.lengths[i];
    const at::Tensor& caption = conditioning.captions[i];
    parts.insert(parts.end(), {images.x.narrow(0, begin, length), caption});
    freqs.insert(freqs.end(),
                 {images.freqs_cis.narrow(0, begin, length), caption_freqs(caption.size(0)).to(caption.device())});
    rows.lengths.push_back(length + caption.size(0));
    begin += length;
  }
  rows.x = at::cat(parts);
  rows.freqs_cis = at::cat(freqs);
  return rows;
}

void ZImageTransformerModel::run_layers(PackedRows& rows, const TimeConditioning& time,
                                        const std::stop_token& stop) const {
  for (const Block& block : layers_) {
    check_stop(stop, "transformer");
    block(rows, time);
  }
}

void ZImageTransformerModel::run_layers(PackedRows& rows, const TimeConditioning& time, StepCache& cache,
                                        const std::stop_token& stop) const {
  at::Tensor before = rows.x.clone(), first;  // a block writes in place
  for (const Block& block : layers_) {
    check_stop(stop, "transformer");
    block(rows, time);
    if (first.defined()) continue;
    first = rows.x - before;
    if (const at::Tensor rest = cache.recall(first); rest.defined()) {
      rows.x += rest;
      return;
    }
    before.copy_(rows.x);
  }
  cache.keep(first, rows.x - before);
}

std::vector<at::Tensor> ZImageTransformerModel::forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                                        const Conditioning& conditioning, StepCache* cache,
                                                        const std::stop_token& stop) const {
  // patchify -> x_embedder -> noise_refiner -> [image, caption] -> layers -> final_layer -> unpatchify
  std::vector<ImageSize> sizes;
  for (const at::Tensor& item : latents) {
    check_latent_size(config_, item.size(2), item.size(3));
    sizes.push_back({item.size(2) / config_.patch_size, item.size(3) / config_.patch_size});
  }
  // One timestep for all items, the usual case, needs one conditioning vector.
  const bool shared_t = t.eq(t[0]).all().item<bool>();
  const at::Tensor own_t = (shared_t ? t.narrow(0, 0, 1) : t).to(x_pad_token_.device(), at::kFloat);
  TimeConditioning time{.c = t_embedder_(own_t * config_.t_scale), .lengths = {}};

  PackedRows rows = embed_images(latents, sizes, conditioning);
  time.lengths = rows.lengths;
  for (const Block& block : noise_refiner_) {
    check_stop(stop, "transformer");
    block(rows, time);
  }

  rows = join(rows, conditioning);
  time.lengths = rows.lengths;
  if (cache) {
    run_layers(rows, time, *cache, stop);
  } else {
    run_layers(rows, time, stop);
  }

  const at::Tensor tokens = final_layer_(rows.x, time);
  std::vector<at::Tensor> predictions;
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    predictions.push_back(unpatchify(tokens.narrow(0, begin, sizes[i].tokens()), sizes[i]));
    begin += rows.lengths[i];
  }
  return predictions;
}

}  // namespace llmdit::models
