#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/image.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

namespace nn {
class Turns;
}

/// `config.json` of an AutoencoderKL; names and defaults are those of diffusers.
struct AutoencoderKLConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  int64_t layers_per_block = 1;
  int64_t norm_num_groups = 32;
  int64_t sample_size = 32;
  std::vector<int64_t> block_out_channels = {64};
  double scaling_factor = 0.18215;
  double shift_factor = 0.0;
  bool mid_block_add_attention = true;

  /// Pixels per latent: 2^(blocks - 1).
  int64_t vae_scale_factor() const { return int64_t{1} << (block_out_channels.size() - 1); }

  /// A model folder, its `config.json`, or a weight file. Throws unsupported for another class or a setting that is not
  /// handled.
  LLMDIT_EXPORT static AutoencoderKLConfig load(const std::filesystem::path& path);
};

/// The normal distribution an encoded picture stands for; both [batch, latent_channels, h/8, w/8].
struct LatentDistribution {
  at::Tensor mean;
  at::Tensor logvar;  ///< clamped to -30..20
};

enum class TilingMode {
  automatic,  ///< on where a picture as a whole would not fit into the memory that is free
  on,
  off,
};

/// How a picture larger than one tile goes through the autoencoder: tile by tile, in the memory of one tile. Neighbours
/// are blended where they overlap. What norms and attention take from a whole picture, all tiles take from a mosaic of
/// small pieces from all over it, so that no tile has a tone of its own.
struct TilingOptions {
  TilingMode mode = TilingMode::automatic;
  int64_t tile_size = 512;    ///< pixels a side, taken up to whole latents
  int64_t tile_overlap = 64;  ///< pixels that neighbours share at least, taken up to whole latents; below tile_size
};

/// The variational autoencoder between pixels and latents. Immutable; calls are const and thread-safe. Copies share the
/// weights. Computes in float32 on a CPU, whatever the weights are kept in.
class LLMDIT_EXPORT AutoencoderKL {
 public:
  /// A folder with `config.json` and weights, or a weight file with diffusers' names or those of single files such as
  /// ae.safetensors; one without encoder can still decode. What a bare file does not tell is taken from `config_path`,
  /// a folder or `config.json`, or as Flux' autoencoder, which is Z-Image's, has it.
  static AutoencoderKL load(const std::filesystem::path& path, const LoadOptions& options = {},
                            const std::filesystem::path& config_path = {});

  /// Latents [batch, latent_channels, h, w] in the autoencoder's own scale to pixels [batch, 3, 8h, 8w], about -1..1.
  at::Tensor decode(const at::Tensor& latents, std::stop_token stop = {}, const TilingOptions& tiling = {}) const;

  /// Pixels [batch, 3, height, width] in -1..1, sides a multiple of vae_scale_factor, to a distribution over latents.
  /// Throws unsupported when the weights hold no encoder.
  LatentDistribution encode(const at::Tensor& pixels, std::stop_token stop = {},
                            const TilingOptions& tiling = {}) const;

  /// Whether a picture of height x width pixels would now go tile by tile. Throws invalid_argument for tiles that do
  /// not reach beyond their overlap.
  bool is_tiled(int64_t height, int64_t width, const TilingOptions& tiling = {}) const;

  bool has_encoder() const;

  /// A rough picture of latents [batch, latent_channels, h, w] in the denoiser's scale, in no time: their best linear
  /// map to colors, which the first call works out from a few decoded latents. `scale` pixels a latent and side; the
  /// pictures of a batch stand side by side.
  Image preview(const at::Tensor& latents, int64_t scale = 1) const;

  /// From the denoiser's scale to the autoencoder's: latents / scaling_factor + shift_factor.
  at::Tensor unscale(const at::Tensor& latents) const;

  /// From the autoencoder's scale to the denoiser's: (latents - shift_factor) * scaling_factor.
  at::Tensor scale(const at::Tensor& latents) const;

  const AutoencoderKLConfig& config() const;

  /// Tensors of the checkpoint that no part of the model asked for.
  const std::vector<std::string>& unused_weights() const;

  /// Frees the weights for good, in all copies; a call that is running keeps them to its end. Calls that need them
  /// throw invalid_argument from then on.
  void unload() const;
  /// Until unload().
  bool is_loaded() const;

 private:
  friend class ModelTurns;
  /// The same, in memory only while it is in use; see nn::Turns. Null: always.
  static AutoencoderKL load(const std::filesystem::path& path, const LoadOptions& options,
                            const std::filesystem::path& config_path, std::shared_ptr<nn::Turns> turns);
  /// Keeps the weights in memory while it lives.
  std::shared_ptr<const void> hold(std::stop_token stop) const;

  struct Impl;
  explicit AutoencoderKL(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace llmdit
