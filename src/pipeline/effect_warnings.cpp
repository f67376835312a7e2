#include "pipeline/effect_warnings.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/check.hpp"
#include "pipeline/source_picture.hpp"

namespace llmdit {
namespace {

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

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
  if (options.prompt_embeds &&
      (options.chat != ChatOptions{} || options.hidden_layer != GenerateOptions{}.hidden_layer)) {
    warnings.push_back("chat options and hidden_layer have no effect on prompt_embeds that are given");
  }
  if (options.chat.template_name.empty() && !options.chat.templates_dir.empty())
    warnings.push_back("templates_dir has no effect without a template");
  std::ranges::move(source_warnings(options), std::back_inserter(warnings));
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
