#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/available_memory.hpp"
#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/model_config.hpp"
#include "models/autoencoder_kl.hpp"
#include "models/latent_preview.hpp"
#include "models/model_files.hpp"
#include "models/resident_model.hpp"
#include "models/tiled_vae.hpp"

namespace llmdit::models {

void check_config(const AutoencoderKLConfig& c, const std::filesystem::path& path) {
  if (c.block_out_channels.empty() || c.block_out_channels.size() > 8) {
    fail(ErrorCode::unsupported, "vae", "expected 1 to 8 block_out_channels in {}, found {}", path.string(),
         c.block_out_channels.size());
  }
  for (const int64_t channels : c.block_out_channels) {
    if (channels < 1 || channels > (1 << 20) || channels % c.norm_num_groups != 0) {
      fail(ErrorCode::unsupported, "vae",
           "expected block_out_channels in {} to be multiples of norm_num_groups {}, found {}", path.string(),
           c.norm_num_groups, channels);
    }
  }
  if (!(c.scaling_factor > 0)) {
    fail(ErrorCode::unsupported, "vae", "expected a positive scaling_factor in {}, found {}", path.string(),
         c.scaling_factor);
  }
}

AutoencoderKLConfig parse_autoencoder_config(const io::JsonObject& json) {
  io::expect_class(json, "AutoencoderKL");
  io::expect_value<std::string>(json, "act_fn", "silu");
  for (const char* key : {"latents_mean", "latents_std"}) {
    if (json.has(key))
      fail(ErrorCode::unsupported, "vae", "expected {} in {} to be null: it is not handled", key, json.path().string());
  }
  // Absent, diffusers takes these two for true; the autoencoders of this family have neither convolution.
  for (const char* key : {"use_quant_conv", "use_post_quant_conv"}) {
    if (json.get_or<bool>(key, true)) {
      fail(ErrorCode::unsupported, "vae",
           "expected {} in {} to be false: Z-Image's autoencoder has no quant convolutions", key, json.path().string());
    }
  }
  AutoencoderKLConfig c;
  c.in_channels = io::positive_or(json, "in_channels", c.in_channels);
  c.out_channels = io::positive_or(json, "out_channels", c.out_channels);
  c.latent_channels = io::positive_or(json, "latent_channels", c.latent_channels);
  c.layers_per_block = io::layers_or(json, "layers_per_block", c.layers_per_block);
  c.norm_num_groups = io::positive_or(json, "norm_num_groups", c.norm_num_groups);
  c.sample_size = io::positive_or(json, "sample_size", c.sample_size);
  c.block_out_channels = json.get_or("block_out_channels", c.block_out_channels);
  c.scaling_factor = json.get_or("scaling_factor", c.scaling_factor);
  c.shift_factor = json.has("shift_factor") ? json.get<double>("shift_factor") : c.shift_factor;
  c.mid_block_add_attention = json.get_or("mid_block_add_attention", c.mid_block_add_attention);
  check_config(c, json.path());
  return c;
}

}  // namespace llmdit::models

namespace llmdit {

AutoencoderKLConfig AutoencoderKLConfig::load(const std::filesystem::path& path) {
  if (models::is_weight_file(path)) return models::open_autoencoder(path).config;
  return models::parse_autoencoder_config(io::read_config(path));
}

namespace {

bool has_encoder_weights(const io::TensorTable& table) { return table.find("encoder.conv_in.weight") != nullptr; }

/// Both networks of a file; a decode-only file has no encoder.
struct Networks {
  Networks(const nn::Weights& weights, const AutoencoderKLConfig& config) : decoder(weights.scope("decoder"), config) {
    if (weights.has("encoder.conv_in.weight")) encoder.emplace(weights.scope("encoder"), config);
  }

  models::Decoder decoder;
  std::optional<models::Encoder> encoder;
};

}  // namespace

struct AutoencoderKL::Impl {
  Impl(io::TensorTable table, const nn::Placement& placement, const AutoencoderKLConfig& config,
       std::shared_ptr<nn::Turns> turns)
      : config(config),
        resident(std::move(table), placement, config, std::move(turns)),
        tensor_options(at::TensorOptions().device(placement.device).dtype(resident.compute())) {}

  int64_t latents_of(int64_t pixels) const {
    const int64_t scale = config.vae_scale_factor();
    return (pixels + scale - 1) / scale;
  }

  /// How a picture of height x width latents is cut.
  models::TiledRun cut(int64_t height, int64_t width, const TilingOptions& tiling) const {
    const int64_t tile = latents_of(tiling.tile_size), overlap = latents_of(tiling.tile_overlap);
    check(tiling.tile_size > 0 && tiling.tile_overlap >= 0 && overlap < tile, "vae_tile_overlap",
          "expected an overlap of at least 0 and below the tile's {} pixels, got {}", tiling.tile_size,
          tiling.tile_overlap);
    return {.vertical = models::cut_axis(height, tile, overlap), .horizontal = models::cut_axis(width, tile, overlap)};
  }

  /// Whether a picture of height x width latents is to go tile by tile.
  bool is_tiled(int64_t height, int64_t width, const TilingOptions& tiling) const {
    if (tiling.mode == TilingMode::off) return false;
    const int64_t tile = latents_of(tiling.tile_size), scale = config.vae_scale_factor();
    if (height <= tile && width <= tile) return false;
    return tiling.mode == TilingMode::on ||
           models::most_whole_bytes(config, height * width * scale * scale, tensor_options.dtype().itemsize()) >
               available_memory(tensor_options.device());
  }

  const at::Tensor& color_map(const AutoencoderKL& self) const {
    std::call_once(color_map_made_, [&] {
      const auto decode = [&](const at::Tensor& latents) { return self.decode(self.unscale(latents)); };
      color_map_ = models::fit_colors(decode, config.latent_channels, config.vae_scale_factor());
    });
    return color_map_;
  }

  AutoencoderKLConfig config;
  models::ResidentModel<Networks, AutoencoderKLConfig> resident;
  at::TensorOptions tensor_options;

 private:
  // A constant of the weights, worked out by the first that needs it.
  mutable std::once_flag color_map_made_;
  mutable at::Tensor color_map_;
};

AutoencoderKL::AutoencoderKL(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

AutoencoderKL AutoencoderKL::load(const std::filesystem::path& path, const LoadOptions& options,
                                  const std::filesystem::path& config_path) {
  return load(path, options, config_path, nn::turns_of(options));
}

AutoencoderKL AutoencoderKL::load(const std::filesystem::path& path, const LoadOptions& options,
                                  const std::filesystem::path& config_path, std::shared_ptr<nn::Turns> turns) {
  return translate_errors("vae", [&] {
    check_plain_component_options(options);
    const c10::NoGradGuard guard;
    auto files = models::open_autoencoder(path, config_path);
    const auto placement = nn::resolve_placement(options, {.part = "vae", .device = options.vae_device});
    return AutoencoderKL(std::make_shared<Impl>(std::move(files.table), placement, files.config, std::move(turns)));
  });
}

std::shared_ptr<const void> AutoencoderKL::hold(std::stop_token stop) const {
  const c10::NoGradGuard guard;
  return impl_->resident.enter(stop);
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents, std::stop_token stop, const TilingOptions& tiling) const {
  return translate_errors("vae", [&] {
    const c10::NoGradGuard guard;
    check(latents.dim() == 4 && latents.size(1) == impl_->config.latent_channels && latents.numel() > 0, "vae",
          "expected latents of [batch, {}, h, w], got [{}]", impl_->config.latent_channels,
          fmt::join(latents.sizes(), ", "));
    const at::Tensor input = latents.to(impl_->tensor_options);
    const auto loaded = impl_->resident.enter(stop);
    if (!impl_->is_tiled(latents.size(2), latents.size(3), tiling)) return loaded->model.decoder(input, stop);
    models::TiledRun run = impl_->cut(latents.size(2), latents.size(3), tiling);
    run.output_scale = impl_->config.vae_scale_factor();
    const auto network = [&](const at::Tensor& tile, models::PictureContext& context) {
      return loaded->model.decoder(tile, stop, &context);
    };
    return models::run_tiled(input, run, network, stop);
  });
}

LatentDistribution AutoencoderKL::encode(const at::Tensor& pixels, std::stop_token stop,
                                         const TilingOptions& tiling) const {
  return translate_errors("vae", [&] {
    const c10::NoGradGuard guard;
    if (!has_encoder()) {
      fail(ErrorCode::unsupported, "vae",
           "expected an encoder in {}, found only a decoder; use the full autoencoder's file",
           impl_->resident.table().checkpoint().path().string());
    }
    const int64_t multiple = impl_->config.vae_scale_factor();
    check(pixels.dim() == 4 && pixels.size(1) == impl_->config.in_channels && pixels.numel() > 0, "vae",
          "expected pixels of [batch, {}, height, width], got [{}]", impl_->config.in_channels,
          fmt::join(pixels.sizes(), ", "));
    check(pixels.size(2) % multiple == 0 && pixels.size(3) % multiple == 0, "vae",
          "expected height and width to be multiples of {}, got {} x {}", multiple, pixels.size(2), pixels.size(3));
    const int64_t height = pixels.size(2) / multiple, width = pixels.size(3) / multiple;
    const at::Tensor input = pixels.to(impl_->tensor_options);
    const auto loaded = impl_->resident.enter(stop);
    at::Tensor moments;
    if (impl_->is_tiled(height, width, tiling)) {
      models::TiledRun run = impl_->cut(height, width, tiling);
      run.input_scale = multiple;
      const auto network = [&](const at::Tensor& tile, models::PictureContext& context) {
        return (*loaded->model.encoder)(tile, stop, &context);
      };
      moments = models::run_tiled(input, run, network, stop);
    } else {
      moments = (*loaded->model.encoder)(input, stop);
    }
    const auto halves = moments.contiguous().chunk(2, 1);
    return LatentDistribution{.mean = halves[0], .logvar = halves[1].clamp(-30.0, 20.0)};
  });
}

bool AutoencoderKL::is_tiled(int64_t height, int64_t width, const TilingOptions& tiling) const {
  return translate_errors("vae", [&] {
    check(height > 0 && width > 0, "vae", "expected a size in pixels, got {} x {}", width, height);
    const int64_t h = impl_->latents_of(height), w = impl_->latents_of(width);
    const bool tiled = impl_->is_tiled(h, w, tiling);
    if (tiled) impl_->cut(h, w, tiling);
    return tiled;
  });
}

bool AutoencoderKL::has_encoder() const { return has_encoder_weights(impl_->resident.table()); }

Image AutoencoderKL::preview(const at::Tensor& latents, int64_t scale) const {
  return translate_errors("preview", [&] {
    const c10::NoGradGuard guard;
    check(latents.dim() == 4 && latents.size(1) == impl_->config.latent_channels && latents.numel() > 0, "preview",
          "expected latents of [batch, {}, h, w], got [{}]", impl_->config.latent_channels,
          fmt::join(latents.sizes(), ", "));
    check(scale >= 1 && scale <= 64, "preview", "expected a scale of 1 to 64 pixels a latent, got {}", scale);
    at::Tensor pixels = models::apply_colors(latents.to(at::kCPU, at::kFloat), impl_->color_map(*this));
    if (scale > 1) pixels = at::upsample_bilinear2d(pixels, {pixels.size(2) * scale, pixels.size(3) * scale}, false);
    pixels = (at::cat(pixels.split(1), 3)[0].permute({1, 2, 0}) * 255.0).round().to(at::kByte).contiguous();
    const auto* bytes = pixels.const_data_ptr<uint8_t>();
    return Image{pixels.size(1), pixels.size(0), {bytes, bytes + pixels.numel()}};
  });
}

at::Tensor AutoencoderKL::unscale(const at::Tensor& latents) const {
  return latents / impl_->config.scaling_factor + impl_->config.shift_factor;
}

at::Tensor AutoencoderKL::scale(const at::Tensor& latents) const {
  return (latents - impl_->config.shift_factor) * impl_->config.scaling_factor;
}

const AutoencoderKLConfig& AutoencoderKL::config() const { return impl_->config; }
const std::vector<std::string>& AutoencoderKL::unused_weights() const { return impl_->resident.unused(); }
void AutoencoderKL::unload() const { impl_->resident.unload(); }
bool AutoencoderKL::is_loaded() const { return impl_->resident.is_loaded(); }

}  // namespace llmdit
