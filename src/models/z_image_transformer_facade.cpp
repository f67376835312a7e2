#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/model_config.hpp"
#include "models/model_files.hpp"
#include "models/resident_model.hpp"
#include "models/z_image_transformer.hpp"

namespace llmdit::models {
namespace {

std::array<int64_t, 3> three(const io::JsonObject& json, std::string_view key, const std::array<int64_t, 3>& fallback) {
  if (!json.has(key)) return fallback;
  const auto values = json.get<std::vector<int64_t>>(key);
  if (values.size() != 3 || std::ranges::any_of(values, [](int64_t v) { return v < 1 || v > (1 << 20); })) {
    fail(ErrorCode::unsupported, "transformer", "expected {} in {} to be three numbers from 1 to {}, found [{}]", key,
         json.path().string(), 1 << 20, fmt::join(values, ", "));
  }
  return {values[0], values[1], values[2]};
}

}  // namespace

void check_config(const ZImageTransformerConfig& c, const std::filesystem::path& path) {
  const int64_t head_dim = c.dim / c.n_heads, axes = c.axes_dims[0] + c.axes_dims[1] + c.axes_dims[2];
  if (c.dim % c.n_heads != 0 || head_dim != axes) {
    fail(ErrorCode::unsupported, "transformer",
         "expected dim / n_heads to equal the sum of axes_dims in {}, found {} / {} and {}", path.string(), c.dim,
         c.n_heads, axes);
  }
  for (const int64_t axis : c.axes_dims) {
    if (axis % 2 != 0)
      fail(ErrorCode::unsupported, "transformer", "expected even axes_dims in {}, found {}", path.string(), axis);
  }
  if (max_caption_len(c) < seq_multi_of) {
    fail(ErrorCode::unsupported, "transformer",
         "expected axes_lens in {} to leave room for a caption of {} tokens, found {} positions", path.string(),
         seq_multi_of, c.axes_lens[0]);
  }
}

ZImageTransformerConfig parse_z_image_config(const io::JsonObject& json) {
  io::expect_class(json, "ZImageTransformer2DModel");
  io::expect_value<std::vector<int64_t>>(json, "all_patch_size", {2});
  io::expect_value<std::vector<int64_t>>(json, "all_f_patch_size", {1});
  if (json.has("siglip_feat_dim")) {
    fail(ErrorCode::unsupported, "transformer",
         "expected siglip_feat_dim in {} to be null: the omni form takes pictures, which is not handled",
         json.path().string());
  }
  ZImageTransformerConfig c;
  c.in_channels = io::positive_or(json, "in_channels", c.in_channels);
  c.dim = io::positive_or(json, "dim", c.dim);
  c.n_layers = io::layers_or(json, "n_layers", c.n_layers);
  c.n_refiner_layers = io::layers_or(json, "n_refiner_layers", c.n_refiner_layers, 0);
  c.n_heads = io::positive_or(json, "n_heads", c.n_heads);
  c.cap_feat_dim = io::positive_or(json, "cap_feat_dim", c.cap_feat_dim);
  c.norm_eps = json.get_or<double>("norm_eps", c.norm_eps);
  c.qk_norm = json.get_or<bool>("qk_norm", c.qk_norm);
  c.rope_theta = json.get_or<double>("rope_theta", c.rope_theta);
  c.t_scale = json.get_or<double>("t_scale", c.t_scale);
  c.axes_dims = three(json, "axes_dims", c.axes_dims);
  c.axes_lens = three(json, "axes_lens", c.axes_lens);
  check_config(c, json.path());
  return c;
}

}  // namespace llmdit::models

namespace llmdit {

ZImageTransformerConfig ZImageTransformerConfig::load(const std::filesystem::path& path) {
  if (models::is_weight_file(path)) return models::open_z_image(path).config;
  return models::parse_z_image_config(io::read_config(path));
}

int64_t max_caption_len(const ZImageTransformerConfig& config) {
  // The image stands at the padded caption's length + 1, the last index is axes_lens[0] - 1.
  return std::max<int64_t>(0, config.axes_lens[0] - 2) / seq_multi_of * seq_multi_of;
}

void check_latent_size(const ZImageTransformerConfig& config, int64_t h, int64_t w) {
  const int64_t p = config.patch_size;
  check(h > 0 && w > 0 && h % p == 0 && w % p == 0, "transformer",
        "expected latents whose sides are positive multiples of {}, got {} x {}", p, h, w);
  check(h / p <= config.axes_lens[1] && w / p <= config.axes_lens[2], "transformer",
        "expected latents of at most {} x {} (the rope tables' length), got {} x {}", config.axes_lens[1] * p,
        config.axes_lens[2] * p, h, w);
}

struct ZImageTransformer::Impl {
  ZImageTransformerConfig config;
  models::ResidentModel<models::ZImageTransformerModel, ZImageTransformerConfig> resident;
};

ZImageTransformer::ZImageTransformer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

ZImageTransformer ZImageTransformer::load(const std::filesystem::path& path, const LoadOptions& options,
                                          const std::filesystem::path& config_path) {
  return load(path, options, config_path, nn::turns_of(options));
}

ZImageTransformer ZImageTransformer::load(const std::filesystem::path& path, const LoadOptions& options,
                                          const std::filesystem::path& config_path, std::shared_ptr<nn::Turns> turns) {
  return translate_errors("transformer", [&] {
    check_component_options(options);
    const c10::NoGradGuard guard;
    auto files = models::open_z_image(path, config_path);
    const auto placement = nn::resolve_placement(options, {"dit", options.dit_device, options.dit_quantization});
    return ZImageTransformer(std::make_shared<Impl>(
        Impl{files.config, {std::move(files.table), placement, files.config, std::move(turns)}}));
  });
}

ZImageTransformer ZImageTransformer::patched(const WeightPatches& patches) const {
  return translate_errors("transformer", [&] {
    const c10::NoGradGuard guard;
    return ZImageTransformer(std::make_shared<Impl>(Impl{impl_->config, impl_->resident.patched(patches)}));
  });
}

std::shared_ptr<const void> ZImageTransformer::hold(std::stop_token stop) const {
  const c10::NoGradGuard guard;
  return impl_->resident.enter(stop);
}

std::map<std::string, std::vector<int64_t>> ZImageTransformer::weight_shapes() const {
  return impl_->resident.shapes();
}

Conditioning ZImageTransformer::condition(std::span<const at::Tensor> prompt_embeds,
                                          const ConditionOptions& options) const {
  return translate_errors("transformer", [&] {
    const c10::NoGradGuard guard;
    return impl_->resident.enter(options.stop)->model.condition(prompt_embeds, options);
  });
}

std::vector<at::Tensor> ZImageTransformer::forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                                   const Conditioning& conditioning, std::stop_token stop) const {
  return forward(latents, t, conditioning, nullptr, std::move(stop));
}

at::Tensor ZImageTransformer::forward(const at::Tensor& latents, const at::Tensor& t, const Conditioning& conditioning,
                                      std::stop_token stop) const {
  return forward(latents, t, conditioning, nullptr, std::move(stop));
}

std::vector<at::Tensor> ZImageTransformer::forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                                   const Conditioning& conditioning, models::StepCache* cache,
                                                   std::stop_token stop) const {
  return translate_errors("transformer", [&] {
    const c10::NoGradGuard guard;
    const size_t batch = latents.size();
    check(batch > 0 && conditioning.captions.size() == batch, "transformer",
          "expected one caption for each of {} latents, got {}", batch, conditioning.captions.size());
    check(t.dim() == 1 && t.size(0) == static_cast<int64_t>(batch), "transformer", "expected t of [{}], got [{}]",
          batch, fmt::join(t.sizes(), ", "));
    for (const at::Tensor& caption : conditioning.captions) {
      check(caption.defined() && caption.dim() == 2 && caption.size(1) == impl_->config.dim &&
                caption.size(0) % seq_multi_of == 0 && caption.size(0) > 0,
            "transformer", "expected captions that condition() of this transformer made, got others");
    }
    for (const at::Tensor& item : latents) {
      check(item.dim() == 4 && item.size(0) == impl_->config.in_channels && item.size(1) == impl_->config.f_patch_size,
            "transformer", "expected latents of [{}, {}, h, w], got [{}]", impl_->config.in_channels,
            impl_->config.f_patch_size, fmt::join(item.sizes(), ", "));
    }
    return impl_->resident.enter(stop)->model.forward(latents, t, conditioning, cache, stop);
  });
}

at::Tensor ZImageTransformer::forward(const at::Tensor& latents, const at::Tensor& t, const Conditioning& conditioning,
                                      models::StepCache* cache, std::stop_token stop) const {
  return translate_errors("transformer", [&] {
    const c10::NoGradGuard guard;
    check(latents.dim() == 4, "transformer", "expected latents of [batch, {}, h, w], got [{}]",
          impl_->config.in_channels, fmt::join(latents.sizes(), ", "));
    const std::vector<at::Tensor> items = latents.unsqueeze(2).unbind(0);
    return at::stack(forward(items, t, conditioning, cache, std::move(stop))).squeeze(2);
  });
}

const ZImageTransformerConfig& ZImageTransformer::config() const { return impl_->config; }
std::map<std::string, at::Tensor> ZImageTransformer::state_dict() const {
  return translate_errors("transformer", [&] { return impl_->resident.state_dict(); });
}
const std::vector<std::string>& ZImageTransformer::unused_weights() const { return impl_->resident.unused(); }
void ZImageTransformer::unload() const { impl_->resident.unload(); }
bool ZImageTransformer::is_loaded() const { return impl_->resident.is_loaded(); }

}  // namespace llmdit
