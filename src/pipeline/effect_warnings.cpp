#include "pipeline/effect_warnings.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/blanks.hpp"
#include "base/check.hpp"
#include "pipeline/source_picture.hpp"

namespace llmdit {
namespace {

/// Of the options about a picture to start from, those that are given and change nothing.
std::vector<std::string> source_warnings(const GenerateOptions& options) {
  std::vector<std::string> warnings;
  const auto warn = [&](bool given, const char* name, const char* reason) {
    if (given) warnings.push_back(fmt::format("{} has no effect {}", name, reason));
  };
  if (!options.image) {
    warn(options.strength.has_value(), "strength", "without an image");
    warn(options.mask_image.has_value(), "mask_image", "without an image");
    warn(!options.outpaint.empty(), "outpaint", "without an image");
  }
  if (!repaints(options)) {
    warn(options.mask_feather > 0, "mask_feather", "without an image and its mask");
    warn(options.mask_composite, "mask_composite", "without an image and its mask");
    warn(options.image && options.latents, "image", "but for the steps that run: latents are given");
  } else {
    warn(options.mask_composite && options.output_type == OutputType::latent, "mask_composite", "on latents");
  }
  if (options.image && strength_of(options) == 0) {
    warnings.emplace_back("strength is 0: the image goes through the autoencoder alone, and the prompt has no effect");
  }
  if (options.vae_tiling == TilingMode::off) {
    const GenerateOptions defaults;
    warn(options.vae_tile_size != defaults.vae_tile_size, "vae_tile_size", "while vae_tiling is off");
    warn(options.vae_tile_overlap != defaults.vae_tile_overlap, "vae_tile_overlap", "while vae_tiling is off");
  }
  return warnings;
}

/// The options for a reference picture that are given in vain; told by the table, so that none is forgotten.
std::vector<std::string> reference_warnings(const GenerateOptions& options) {
  std::vector<std::string> warnings;
  if (options.vl_image) {
    if (options.vl.alpha == 0) warnings.emplace_back("vl_image has no effect while vl_alpha is 0");
    return warnings;
  }
  const GenerateOptions defaults;
  for (const OptionField& field : option_fields<GenerateOptions>()) {
    if (field.name.starts_with("vl_") && field.get(&options) != field.get(&defaults))
      warnings.push_back(fmt::format("{} has no effect without a vl_image", field.name));
  }
  return warnings;
}

}  // namespace

std::vector<std::string> effect_warnings(std::span<const std::string> prompts, const GenerateOptions& options) {
  std::vector<std::string> warnings;
  for (const std::string& prompt : prompts) {
    if (is_blank(prompt)) warnings.push_back("the prompt is blank: the picture follows the chat template alone");
  }
  if (options.guidance_scale == 0) {
    const GenerateOptions defaults;
    if (!options.negative_prompt.empty()) warnings.push_back("negative_prompt has no effect while guidance_scale is 0");
    if (options.cfg_normalization != defaults.cfg_normalization)
      warnings.push_back("cfg_normalization has no effect while guidance_scale is 0");
    if (options.cfg_truncation != defaults.cfg_truncation)
      warnings.push_back("cfg_truncation has no effect while guidance_scale is 0");
  }
  if (options.negative_prompt_embeds && options.guidance_scale == 0) {
    warnings.push_back("negative_prompt_embeds has no effect while guidance_scale is 0");
  }
  if (options.negative_prompt_embeds && !options.negative_prompt.empty()) {
    warnings.push_back("negative_prompt has no effect: negative_prompt_embeds is given");
  }
  const bool own_layer = options.hidden_layer != GenerateOptions{}.hidden_layer;
  const bool own_mix = !options.layer_weights.empty() || !options.layer_spans.empty();
  if (options.prompt_embeds && (options.chat != ChatOptions{} || own_layer || own_mix)) {
    warnings.push_back("chat options and hidden layers have no effect on prompt_embeds that are given");
  }
  if (own_layer && !options.layer_weights.empty()) {
    warnings.push_back("hidden_layer has no effect: layer_weights is given");
  }
  if (options.max_text_tokens && options.long_prompt_mode == LongPromptMode::extrapolate) {
    warnings.push_back("max_text_tokens has no effect while long_prompt_mode is extrapolate");
  }
  if (options.step_cache > 0 && schedule_steps(options) == 1)
    warnings.push_back("step_cache has no effect on a single step");
  if (options.chat.template_name.empty() && !options.chat.templates_dir.empty())
    warnings.push_back("templates_dir has no effect without a template");
  std::ranges::move(source_warnings(options), std::back_inserter(warnings));
  std::ranges::move(reference_warnings(options), std::back_inserter(warnings));
  // Initial latents leave noise to be drawn only where a part of an image is painted anew.
  if (options.latents && !repaints(options)) {
    if (!options.generators.empty()) warnings.push_back("generator has no effect: latents are given");
    if (options.seed) warnings.push_back("seed has no effect: latents are given");
  } else if (options.seed && !options.generators.empty()) {
    warnings.push_back("seed has no effect: a generator is given");
  }
  return warnings;
}

}  // namespace llmdit
