#include "models/tiled_vae.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/stop.hpp"

namespace llmdit::models {
namespace {

/// Latents a side of the mosaic's pieces. Smaller ones show less of how a picture changes from place to place, larger
/// ones less of its places; of 4, 8, 16 and 32 this came nearest to whole pictures, smooth and detailed alike.
constexpr int64_t piece = 8;

/// `count` positions, evenly from 0 to `last`.
std::vector<int64_t> spread(int64_t last, int64_t count) {
  if (count == 1) return {last / 2};
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < count; ++i) positions.push_back((2 * i * last + count - 1) / (2 * (count - 1)));
  return positions;
}

/// Which samples of an axis the mosaic takes.
at::Tensor mosaic_index(const TiledAxis& axis, int64_t scale) {
  if (axis.tile == axis.length) return at::arange(axis.length * scale);
  const int64_t size = std::min(piece, axis.tile);
  std::vector<at::Tensor> parts;
  for (const int64_t start : spread(axis.length - size, axis.tile / size))
    parts.push_back(at::arange(start * scale, (start + size) * scale));
  return at::cat(parts);
}

at::Tensor make_mosaic(const at::Tensor& input, const TiledRun& run) {
  const auto device = input.device();
  return input.index_select(2, mosaic_index(run.vertical, run.input_scale).to(device))
      .index_select(3, mosaic_index(run.horizontal, run.input_scale).to(device));
}

/// A tile's part of a tensor with `scale` samples a latent; a view.
at::Tensor tile_of(const at::Tensor& x, const TiledRun& run, size_t row, size_t column, int64_t scale) {
  return x.narrow(2, run.vertical.starts[row] * scale, run.vertical.tile * scale)
      .narrow(3, run.horizontal.starts[column] * scale, run.horizontal.tile * scale);
}

at::Tensor run_one(const at::Tensor& input, const TiledRun& run, const TileNetwork& network,
                   const std::stop_token& stop) {
  PictureContext context;
  network(make_mosaic(input, run), context);
  const at::Tensor rows = tile_weights(run.vertical, run.output_scale).to(input.device()).unsqueeze(2);
  const at::Tensor columns = tile_weights(run.horizontal, run.output_scale).to(input.device()).unsqueeze(1);
  at::Tensor output;
  for (size_t row = 0; row < run.vertical.starts.size(); ++row) {
    for (size_t column = 0; column < run.horizontal.starts.size(); ++column) {
      check_stop(stop, "vae");
      context.replay();
      const at::Tensor tile = network(tile_of(input, run, row, column, run.input_scale), context);
      if (!output.defined()) {
        output = at::zeros(
            {1, tile.size(1), run.vertical.length * run.output_scale, run.horizontal.length * run.output_scale},
            tile.options().dtype(at::kFloat));
      }
      const at::Tensor weight = rows[static_cast<int64_t>(row)] * columns[static_cast<int64_t>(column)];
      tile_of(output, run, row, column, run.output_scale).add_(tile * weight);
    }
  }
  return output.to(input.scalar_type());
}

}  // namespace

TiledAxis cut_axis(int64_t length, int64_t tile, int64_t overlap) {
  TiledAxis axis{.length = length, .tile = std::min(length, tile), .starts = {0}};
  if (axis.tile == length) return axis;
  const int64_t stride = tile - overlap;
  axis.starts = spread(length - tile, (length - overlap + stride - 1) / stride);
  return axis;
}

at::Tensor tile_weights(const TiledAxis& axis, int64_t scale) {
  const auto count = static_cast<int64_t>(axis.starts.size());
  at::Tensor weights = at::ones({count, axis.tile * scale}, at::kFloat);
  for (int64_t i = 1; i < count; ++i) {
    const int64_t shared = (axis.starts[i - 1] + axis.tile - axis.starts[i]) * scale;
    if (shared == 0) continue;
    const at::Tensor rising = (at::arange(shared, at::kFloat) + 0.5) / shared;
    weights[i].narrow(0, 0, shared).mul_(rising);
    weights[i - 1].narrow(0, axis.tile * scale - shared, shared).mul_(rising.flip(0));
  }
  // Where more than two tiles meet their ramps do not add up to 1 by themselves.
  at::Tensor sum = at::zeros({axis.length * scale}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) sum.narrow(0, axis.starts[i] * scale, axis.tile * scale).add_(weights[i]);
  for (int64_t i = 0; i < count; ++i) weights[i].div_(sum.narrow(0, axis.starts[i] * scale, axis.tile * scale));
  return weights;
}

at::Tensor run_tiled(const at::Tensor& input, const TiledRun& run, const TileNetwork& network,
                     const std::stop_token& stop) {
  std::vector<at::Tensor> outputs;
  for (const at::Tensor& one : input.split(1)) outputs.push_back(run_one(one, run, network, stop));
  return at::cat(outputs);
}

}  // namespace llmdit::models
