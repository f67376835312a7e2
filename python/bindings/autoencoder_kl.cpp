#include "llmdit/autoencoder_kl.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "bindings.hpp"
#include "closing.hpp"
#include "models.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {
namespace {

/// None is automatic.
TilingOptions tiling_from(std::optional<bool> tiled, int64_t tile_size, int64_t tile_overlap) {
  const TilingMode mode = !tiled ? TilingMode::automatic : *tiled ? TilingMode::on : TilingMode::off;
  return {mode, tile_size, tile_overlap};
}

}  // namespace

void bind_autoencoder_kl(py::module_& m) {
  Record<AutoencoderKLConfig> config(m, "AutoencoderKLConfig", "config.json of an AutoencoderKL.");
  config.read_only("in_channels", &AutoencoderKLConfig::in_channels, "Of the pixels that are encoded; 3, RGB.")
      .read_only("out_channels", &AutoencoderKLConfig::out_channels, "Of the pixels that are decoded; 3, RGB.")
      .read_only("latent_channels", &AutoencoderKLConfig::latent_channels, "Of latents; 16 for Z-Image.")
      .read_only("layers_per_block", &AutoencoderKLConfig::layers_per_block,
                 "Residual blocks of an encoder's stage; a decoder's has one more.")
      .read_only("norm_num_groups", &AutoencoderKLConfig::norm_num_groups,
                 "Groups of each group norm; they divide the channels of every stage.")
      .read_only("sample_size", &AutoencoderKLConfig::sample_size,
                 "Pixels, side of the pictures that are made where no size is given.")
      .read_only("block_out_channels", &AutoencoderKLConfig::block_out_channels,
                 "Channels of each stage, from the pixels on; each but the last halves the picture's sides.")
      .read_only("scaling_factor", &AutoencoderKLConfig::scaling_factor,
                 "The denoiser's latents are (latents - shift_factor) * scaling_factor.")
      .read_only("shift_factor", &AutoencoderKLConfig::shift_factor,
                 "What is taken from latents before they are scaled.")
      .read_only("mid_block_add_attention", &AutoencoderKLConfig::mid_block_add_attention,
                 "Whether the stage in the middle has attention.");
  config.cls().def_property_readonly("vae_scale_factor", &AutoencoderKLConfig::vae_scale_factor,
                                     "Pixels per latent and side: 2^(stages - 1); sides of pictures are multiples.");

  Record<LatentDistribution> distribution(m, "LatentDistribution",
                                          "The normal distribution an encoded picture stands for.");
  distribution
      .read_only("mean", &LatentDistribution::mean, "[batch, latent_channels, h, w], in the autoencoder's own scale.")
      .read_only("logvar", &LatentDistribution::logvar,
                 "[batch, latent_channels, h, w], logarithm of the variance, clamped to -30..20.");

  py::class_<AutoencoderKL> cls(m, "AutoencoderKL",
                                "The variational autoencoder between pixels and latents.\n"
                                "Immutable after loading; one autoencoder serves many threads.");
  def_loader(cls,
             "From a folder with config.json and weights, or a weight file such as ae.safetensors; one without encoder "
             "can still\n"
             "decode.",
             [](const std::filesystem::path& path, const LoadOptions& options,
                const std::filesystem::path& config_path) { return AutoencoderKL::load(path, options, config_path); });
  const TilingOptions tiling;
  const char* tiles =
      "\ntiled: tile by tile; None: where the picture as a whole would not fit into the memory that is free."
      "\ntile_size, tile_overlap: pixels of a tile's side, and of what neighbours share.";
  def_unload(cls)
      .def(
          "decode",
          [](const AutoencoderKL& self, const at::Tensor& latents, std::optional<bool> tiled, int64_t tile_size,
             int64_t tile_overlap) {
            return ordinary(self.decode(latents, {}, tiling_from(tiled, tile_size, tile_overlap)));
          },
          py::arg("latents"), py::kw_only(), py::arg("tiled") = py::none(), py::arg("tile_size") = tiling.tile_size,
          py::arg("tile_overlap") = tiling.tile_overlap, NoGil(),
          (std::string("Latents [batch, latent_channels, h, w] in the autoencoder's own scale (see unscale) to pixels\n"
                       "[batch, 3, height, width], about -1..1.") +
           tiles +
           "\nRaises InvalidArgument for another shape, tiles that do not reach beyond their overlap or a closed "
           "autoencoder,\nOutOfMemory.")
              .c_str())
      .def(
          "encode",
          [](const AutoencoderKL& self, const at::Tensor& pixels, std::optional<bool> tiled, int64_t tile_size,
             int64_t tile_overlap) {
            const LatentDistribution latents = self.encode(pixels, {}, tiling_from(tiled, tile_size, tile_overlap));
            return LatentDistribution{ordinary(latents.mean), ordinary(latents.logvar)};
          },
          py::arg("pixels"), py::kw_only(), py::arg("tiled") = py::none(), py::arg("tile_size") = tiling.tile_size,
          py::arg("tile_overlap") = tiling.tile_overlap, NoGil(),
          (std::string("Pixels [batch, 3, height, width] in -1..1 to a distribution over latents in the autoencoder's "
                       "own scale.") +
           tiles +
           "\nRaises InvalidArgument for another shape, sides that are no multiple of config.vae_scale_factor, tiles "
           "that do not\nreach beyond their overlap or a closed autoencoder, Unsupported where the weights hold no "
           "encoder, OutOfMemory.")
              .c_str())
      .def("preview", &AutoencoderKL::preview, py::arg("latents"), py::arg("scale") = 1, NoGil(),
           "A rough picture of latents [batch, latent_channels, h, w] in the denoiser's scale, such as those of "
           "on_step,\n"
           "in no time: their best linear map to colors. `scale` pixels a latent and side; the pictures of a batch "
           "stand\n"
           "side by side. Raises InvalidArgument for another shape, or a scale that is not 1 to 64.")
      .def(
          "is_tiled",
          [](const AutoencoderKL& self, int64_t height, int64_t width, std::optional<bool> tiled, int64_t tile_size,
             int64_t tile_overlap) {
            return self.is_tiled(height, width, tiling_from(tiled, tile_size, tile_overlap));
          },
          py::arg("height"), py::arg("width"), py::kw_only(), py::arg("tiled") = py::none(),
          py::arg("tile_size") = tiling.tile_size, py::arg("tile_overlap") = tiling.tile_overlap, NoGil(),
          "Whether a picture of so many pixels would now go tile by tile.\n"
          "Raises InvalidArgument for a size below 1, or tiles that do not reach beyond their overlap.")
      .def_property_readonly("has_encoder", &AutoencoderKL::has_encoder,
                             "Whether the weights hold an encoder; without one, encode raises Unsupported.")
      .def("unscale", &AutoencoderKL::unscale, py::arg("latents"), NoGil(),
           "Latents [batch, channels, h, w] from the denoiser's scale to the autoencoder's: latents / scaling_factor "
           "+\nshift_factor.")
      .def("scale", &AutoencoderKL::scale, py::arg("latents"), NoGil(),
           "Latents [batch, channels, h, w] from the autoencoder's scale to the denoiser's: (latents - shift_factor) "
           "*\nscaling_factor.")
      .def_property_readonly("config", &AutoencoderKL::config, "Sizes and scales, as config.json has them.")
      .def_property_readonly("unused_weights", &AutoencoderKL::unused_weights,
                             "Tensors of the checkpoint that no part of the model asked for.")
      .def("__repr__", [](const AutoencoderKL& self) {
        if (!self.is_loaded()) return std::string("<llmdit.AutoencoderKL closed>");
        const AutoencoderKLConfig& c = self.config();
        return fmt::format("<llmdit.AutoencoderKL {} channels, 1/{} size, blocks {}>", c.latent_channels,
                           c.vae_scale_factor(), short_repr(py::cast(c.block_out_channels)));
      });
}

}  // namespace llmdit::python
