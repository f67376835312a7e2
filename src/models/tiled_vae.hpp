#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "models/autoencoder_kl.hpp"

namespace llmdit::models {

/// What one axis of a picture is cut into. Positions count latents.
struct TiledAxis {
  int64_t length = 0;
  int64_t tile = 0;             ///< latents a tile, at most the length
  std::vector<int64_t> starts;  ///< the first is 0, the last ends with the axis; spread evenly
};

/// Tiles that share at least `overlap` latents, with `overlap` below `tile`.
TiledAxis cut_axis(int64_t length, int64_t tile, int64_t overlap);

/// Weights of the axis' tiles, [tiles, tile * scale] float32 of `scale` samples a latent: above zero everywhere,
/// falling towards neighbours; those of all tiles at one place sum to 1.
at::Tensor tile_weights(const TiledAxis& axis, int64_t scale);

struct TiledRun {
  TiledAxis vertical, horizontal;
  int64_t input_scale = 1;   ///< samples of the input a latent
  int64_t output_scale = 1;  ///< of the output
};

/// A network, given a piece of a picture and the context to record or to use.
using TileNetwork = std::function<at::Tensor(const at::Tensor& input, PictureContext& context)>;

/// The network's output for [batch, channels, height, width], each picture by itself and blended from tiles. The tiles
/// of a picture share the context of a mosaic of small pieces from all over it, no larger than a tile.
at::Tensor run_tiled(const at::Tensor& input, const TiledRun& run, const TileNetwork& network,
                     const std::stop_token& stop);

}  // namespace llmdit::models
