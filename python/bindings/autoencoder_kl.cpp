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
  config.read_only("in_channels", &AutoencoderKLConfig::in_channels)
      .read_only("out_channels", &AutoencoderKLConfig::out_channels)
      .read_only("latent_channels", &AutoencoderKLConfig::latent_channels)
      .read_only("layers_per_block", &AutoencoderKLConfig::layers_per_block)
      .read_only("norm_num_groups", &AutoencoderKLConfig::norm_num_groups)
      .read_only("sample_size", &AutoencoderKLConfig::sample_size)
      .read_only("block_out_channels", &AutoencoderKLConfig::block_out_channels)
      .read_only("scaling_factor", &AutoencoderKLConfig::scaling_factor)
      .read_only("shift_factor", &AutoencoderKLConfig::shift_factor)
      .read_only("mid_block_add_attention", &AutoencoderKLConfig::mid_block_add_attention);
  config.cls().def_property_readonly("vae_scale_factor", &AutoencoderKLConfig::vae_scale_factor, "Pixels per latent.");

  Record<LatentDistribution> distribution(m, "LatentDistribution",
                                          "The normal distribution an encoded picture stands for.");
  distribution.read_only("mean", &LatentDistribution::mean, "[batch, latent_channels, h, w]")
      .read_only("logvar", &LatentDistribution::logvar, "[batch, latent_channels, h, w], clamped to -30..20");

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
           tiles)
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
           tiles)
              .c_str())
      .def("preview", &AutoencoderKL::preview, py::arg("latents"), py::arg("scale") = 1, NoGil(),
           "A rough picture of latents [batch, latent_channels, h, w] in the denoiser's scale, such as those of "
           "on_step,\n"
           "in no time: their best linear map to colors. `scale` pixels a latent and side; the pictures of a batch "
           "stand\n"
           "side by side.")
      .def(
          "is_tiled",
          [](const AutoencoderKL& self, int64_t height, int64_t width, std::optional<bool> tiled, int64_t tile_size,
             int64_t tile_overlap) {
            return self.is_tiled(height, width, tiling_from(tiled, tile_size, tile_overlap));
          },
          py::arg("height"), py::arg("width"), py::kw_only(), py::arg("tiled") = py::none(),
          py::arg("tile_size") = tiling.tile_size, py::arg("tile_overlap") = tiling.tile_overlap, NoGil(),
          "Whether a picture of so many pixels would now go tile by tile.")
      .def_property_readonly("has_encoder", &AutoencoderKL::has_encoder)
      .def("unscale", &AutoencoderKL::unscale, py::arg("latents"), NoGil(),
           "Latents [batch, channels, h, w] from the denoiser's scale to the autoencoder's: latents / scaling_factor "
           "+\nshift_factor.")
      .def("scale", &AutoencoderKL::scale, py::arg("latents"), NoGil(),
           "Latents [batch, channels, h, w] from the autoencoder's scale to the denoiser's: (latents - shift_factor) "
           "*\nscaling_factor.")
      .def_property_readonly("config", &AutoencoderKL::config)
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
