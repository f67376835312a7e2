#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/model_config.hpp"
#include "models/autoencoder_kl.hpp"
#include "models/model_files.hpp"

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
  c.layers_per_block = io::positive_or(json, "layers_per_block", c.layers_per_block);
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
  return models::parse_autoencoder_config(io::read_config(path));
}

struct AutoencoderKL::Impl {
  Impl(io::TensorTable table, const nn::Placement& placement, const AutoencoderKLConfig& config)
      : config(config), store(std::move(table), placement), decoder(nn::Weights(store).scope("decoder"), config) {
    const nn::Weights weights(store);
    if (weights.has("encoder.conv_in.weight")) encoder.emplace(weights.scope("encoder"), config);
    unused = store.unused();
    tensor_options = at::TensorOptions().device(placement.device).dtype(store.compute());
  }

  AutoencoderKLConfig config;
  nn::WeightStore store;
  models::Decoder decoder;
  std::optional<models::Encoder> encoder;  // a decode-only file has none
  std::vector<std::string> unused;
  at::TensorOptions tensor_options;
};

AutoencoderKL::AutoencoderKL(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

AutoencoderKL AutoencoderKL::load(const std::filesystem::path& path, const LoadOptions& options,
                                  const std::filesystem::path& config_path) {
  return translate_errors("vae", [&] {
    check_component_options(options);
    const c10::NoGradGuard guard;
    auto files = models::open_autoencoder(path, config_path);
    return AutoencoderKL(std::make_shared<Impl>(std::move(files.table),
                                                nn::resolve_placement(options, options.vae_device), files.config));
  });
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents, std::stop_token stop) const {
  return translate_errors("vae", [&] {
    const c10::NoGradGuard guard;
    check(latents.dim() == 4 && latents.size(1) == impl_->config.latent_channels && latents.numel() > 0, "vae",
          "expected latents of [batch, {}, h, w], got [{}]", impl_->config.latent_channels,
          fmt::join(latents.sizes(), ", "));
    return impl_->decoder(latents.to(impl_->tensor_options), stop);
  });
}

LatentDistribution AutoencoderKL::encode(const at::Tensor& pixels, std::stop_token stop) const {
  return translate_errors("vae", [&] {
    const c10::NoGradGuard guard;
    if (!impl_->encoder) {
      fail(ErrorCode::unsupported, "vae",
           "expected an encoder in {}, found only a decoder; use the full autoencoder's file",
           impl_->store.table().checkpoint().path().string());
    }
    const int64_t multiple = impl_->config.vae_scale_factor();
    check(pixels.dim() == 4 && pixels.size(1) == impl_->config.in_channels && pixels.numel() > 0, "vae",
          "expected pixels of [batch, {}, height, width], got [{}]", impl_->config.in_channels,
          fmt::join(pixels.sizes(), ", "));
    check(pixels.size(2) % multiple == 0 && pixels.size(3) % multiple == 0, "vae",
          "expected height and width to be multiples of {}, got {} x {}", multiple, pixels.size(2), pixels.size(3));
    const at::Tensor moments = (*impl_->encoder)(pixels.to(impl_->tensor_options), stop).contiguous();
    const auto halves = moments.chunk(2, 1);
    return LatentDistribution{.mean = halves[0], .logvar = halves[1].clamp(-30.0, 20.0)};
  });
}

at::Tensor AutoencoderKL::unscale(const at::Tensor& latents) const {
  return latents / impl_->config.scaling_factor + impl_->config.shift_factor;
}

at::Tensor AutoencoderKL::scale(const at::Tensor& latents) const {
  return (latents - impl_->config.shift_factor) * impl_->config.scaling_factor;
}

const AutoencoderKLConfig& AutoencoderKL::config() const { return impl_->config; }
const std::vector<std::string>& AutoencoderKL::unused_weights() const { return impl_->unused; }

}  // namespace llmdit
