#include "llmdit/generate_options.hpp"

#include "base/enum_table.hpp"
#include "base/option_table.hpp"
#include "conditioning/long_prompt_mode.hpp"
#include "conditioning/names.hpp"
#include "pipeline/vl_names.hpp"

namespace llmdit {

template <>
struct EnumTable<OutputType> {
  static constexpr EnumName<OutputType> names[] = {
      {OutputType::image, "image"}, {OutputType::tensor, "tensor"}, {OutputType::latent, "latent"}};
};

template <>
struct EnumTable<TilingMode> {
  static constexpr EnumName<TilingMode> names[] = {
      {TilingMode::automatic, "auto"}, {TilingMode::on, "on"}, {TilingMode::off, "off"}};
};

template <>
struct OptionText<LayerWeights> {
  static std::string write(const LayerWeights& weights) { return to_string(weights); }
  static LayerWeights read(std::string_view text) { return parse_layer_weights(text); }
};

template <>
struct OptionText<LayerSpan> {
  static std::string write(const LayerSpan& span) { return to_string(span); }
  static LayerSpan read(std::string_view text) { return parse_layer_span(text); }
};

namespace {

using Options = GenerateOptions;

// Sizes past this are refused before anything is allocated; the rope tables of a model usually stop earlier.
constexpr double max_side = 65536;
constexpr double max_batch = 1024;
constexpr double max_feather = 1024;
constexpr double max_tokens = 1 << 24;
constexpr double seed_bound = 18446744073709551615.0;

constexpr OptionField generate_fields[] = {
    field<Options, "width", &Options::width>({.section = "generation",
                                              .help = "picture width; default the model's own",
                                              .unit = "pixels",
                                              .minimum = 1,
                                              .maximum = max_side}),
    field<Options, "height", &Options::height>({.section = "generation",
                                                .help = "picture height; default the model's own",
                                                .unit = "pixels",
                                                .minimum = 1,
                                                .maximum = max_side}),
    field<Options, "num_inference_steps", &Options::num_inference_steps>(
        {.section = "generation",
         .help = "denoising steps, one run of the transformer each",
         .flag = "steps",
         .minimum = 1,
         .maximum = static_cast<double>(max_inference_steps)}),
    field<Options, "seed", &Options::seed>({.section = "generation",
                                            .help = "seed of the first picture, the next count up; default drawn",
                                            .minimum = 0,
                                            .maximum = seed_bound}),
    field<Options, "num_images_per_prompt", &Options::num_images_per_prompt>(
        {.section = "generation", .help = "pictures for each prompt", .minimum = 1, .maximum = max_batch}),
    field<Options, "guidance_scale", &Options::guidance_scale>(
        {.section = "generation",
         .help = "strength of guidance, 0 is off; one below the classic scale",
         .minimum = 0,
         .maximum = 1000}),
    field<Options, "negative_prompt", &Options::negative_prompt>(
        {.section = "generation", .help = "what guidance leads away from"}),
    field<Options, "cfg_normalization", &Options::cfg_normalization>(
        {.section = "generation",
         .help = "largest norm of the guided prediction over the plain one; 0 is off",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1000}),
    field<Options, "cfg_truncation", &Options::cfg_truncation>(
        {.section = "generation",
         .help = "no guidance above this model time (0 noise, 1 picture)",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1}),
    field<Options, "shift", &Options::shift>({.section = "scheduler",
                                              .help = "time shift of the noise levels; default the model's own",
                                              .minimum = 1e-6,
                                              .maximum = 1e6}),
    field<Options, "sigmas", &Options::sigmas>({.section = "scheduler",
                                                .help = "own falling noise levels before the shift, one a step",
                                                .is_fine_point = true,
                                                .minimum = 0,
                                                .maximum = 1}),
    field<Options, "hidden_layer", &Options::hidden_layer>(
        {.section = "encoder",
         .help = "state taken: 0 embeddings, k after block k, -1 normed last",
         .minimum = -1000,
         .maximum = 1000}),
    field<Options, "layer_weights", &Options::layer_weights>(
        {.section = "encoder", .help = "a mix instead, layer:weight,... e.g. -2:0.7,-5:0.3", .is_fine_point = true}),
    field<Options, "layer_spans", &Options::layer_spans>(
        {.section = "encoder",
         .help = "mix of tokens BEGIN to END - 1, e.g. 3:9=-5:1; several may be given",
         .flag = "layer-span",
         .is_fine_point = true}),
    field<Options, "long_prompt_mode", &Options::long_prompt_mode>(
        {.section = "pipeline", .help = "what becomes of a prompt past the limit", .is_fine_point = true}),
    field<Options, "max_text_tokens", &Options::max_text_tokens>(
        {.section = "pipeline",
         .help = "the limit; default and most the transformer's",
         .is_fine_point = true,
         .minimum = 1,
         .maximum = max_tokens}),
    field<Options, "system_prompt", &Options::chat, &ChatOptions::system_prompt>(
        {.section = "generation", .help = "text of a system turn before the prompt"}),
    field<Options, "thinking_content", &Options::chat, &ChatOptions::thinking_content>(
        {.section = "generation", .help = "text inside the assistant's think block", .is_fine_point = true}),
    field<Options, "assistant_content", &Options::chat, &ChatOptions::assistant_content>(
        {.section = "generation", .help = "start of the assistant's answer", .is_fine_point = true}),
    field<Options, "force_think_block", &Options::chat, &ChatOptions::force_think_block>(
        {.section = "generation",
         .help = "an empty think block; default as the template has it, else none",
         .alias = "enable-thinking",
         .is_fine_point = true}),
    field<Options, "strip_quotes", &Options::chat, &ChatOptions::strip_quotes>(
        {.section = "generation", .help = "delete every double quote from the chat text"}),
    field<Options, "clean_whitespace", &Options::chat, &ChatOptions::clean_whitespace>(
        {.section = "generation", .help = "trim and squeeze blanks in the chat text", .is_fine_point = true}),
    field<Options, "template", &Options::chat, &ChatOptions::template_name>(
        {.section = "generation", .help = "prompt template for the parts not given: its name, or a .md file"}),
    field<Options, "templates_dir", &Options::chat, &ChatOptions::templates_dir>(
        {.section = "generation", .help = "folder of own templates, over the built-in ones", .is_fine_point = true}),
    field<Options, "strength", &Options::strength>(
        {.section = "generation",
         .help = "0 keeps the image, 1 starts from noise; default 0.75, with a mask 1",
         .minimum = 0,
         .maximum = 1}),
    field<Options, "outpaint", &Options::outpaint>(
        {.section = "generation",
         .help = "pixels to add to the image on the left, top, right and bottom",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = max_side}),
    field<Options, "mask_feather", &Options::mask_feather>({.section = "generation",
                                                            .help = "width over which the mask's edge fades",
                                                            .unit = "pixels",
                                                            .is_fine_point = true,
                                                            .minimum = 0,
                                                            .maximum = max_feather}),
    field<Options, "mask_composite", &Options::mask_composite>(
        {.section = "generation",
         .help = "put the image's own pixels back where the mask keeps it",
         .is_fine_point = true}),
    field<Options, "vl_alpha", &Options::vl, &VLOptions::alpha>(
        {.section = "vl",
         .help = "share of the reference picture: 0 the prompt alone, 1 the picture alone",
         .minimum = 0,
         .maximum = 1}),
    field<Options, "vl_blend_mode", &Options::vl, &VLOptions::blend_mode>(
        {.section = "vl",
         .help = "how the reference picture's rows are mixed with the prompt's",
         .is_fine_point = true}),
    field<Options, "vl_text", &Options::vl, &VLOptions::text>(
        {.section = "vl", .help = "text read with the reference picture", .is_fine_point = true}),
    field<Options, "vl_hidden_layer", &Options::vl, &VLOptions::extract, &VLExtractOptions::hidden_layer>(
        {.section = "vl",
         .help = "state taken of Qwen3-VL, as hidden_layer",
         .is_fine_point = true,
         .minimum = -1000,
         .maximum = 1000}),
    field<Options, "vl_token_selection", &Options::vl, &VLOptions::extract, &VLExtractOptions::token_selection>(
        {.section = "vl", .help = "rows taken of Qwen3-VL: all, the picture's, or the others", .is_fine_point = true}),
    field<Options, "vl_system_prompt", &Options::vl, &VLOptions::extract, &VLExtractOptions::system_prompt>(
        {.section = "vl", .help = "text of a system turn before the reference picture", .is_fine_point = true}),
    field<Options, "vl_force_think_block", &Options::vl, &VLOptions::extract, &VLExtractOptions::force_think_block>(
        {.section = "vl",
         .help = "an empty think block behind the reference picture; default by the model",
         .is_fine_point = true}),
    field<Options, "vl_scale_to_text", &Options::vl, &VLOptions::extract, &VLExtractOptions::scale_to_text>(
        {.section = "vl", .help = "bring Qwen3-VL's rows to the scale of the prompt's", .is_fine_point = true}),
    field<Options, "vl_target_std", &Options::vl, &VLOptions::extract, &VLExtractOptions::target_std>(
        {.section = "vl",
         .help = "deviation to scale to; default the prompt's own",
         .is_fine_point = true,
         .minimum = 1e-6,
         .maximum = 1e6}),
    field<Options, "vl_normalization_mode", &Options::vl, &VLOptions::extract, &VLExtractOptions::normalization_mode>(
        {.section = "vl",
         .help = "scale by one factor, by column (needs statistics), or half and half",
         .is_fine_point = true}),
    field<Options, "vl_outlier_masking", &Options::vl, &VLOptions::extract, &VLExtractOptions::outlier_masking>(
        {.section = "vl",
         .help = "what is done with outlier columns of the picture's rows (needs statistics)",
         .is_fine_point = true}),
    field<Options, "vl_outlier_threshold", &Options::vl, &VLOptions::extract, &VLExtractOptions::outlier_threshold>(
        {.section = "vl",
         .help = "deviation over the text's that makes an outlier",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1e6}),
    field<Options, "vl_statistics", &Options::vl, &VLOptions::statistics>(
        {.section = "vl",
         .help = "file of the text encoder's statistics, by encode --statistics",
         .is_fine_point = true}),
    field<Options, "step_cache", &Options::step_cache>(
        {.section = "optimization",
         .help = "change of the first layer up to which a step leaves out the others; 0 is off",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1}),
    field<Options, "vae_tiling", &Options::vae_tiling>({.section = "pipeline",
                                                        .help = "autoencoder tile by tile; auto: where memory is short",
                                                        .is_fine_point = true}),
    field<Options, "vae_tile_size", &Options::vae_tile_size>({.section = "pipeline",
                                                              .help = "side of the autoencoder's tiles",
                                                              .unit = "pixels",
                                                              .flag = "tile-size",
                                                              .is_fine_point = true,
                                                              .minimum = 1,
                                                              .maximum = max_side}),
    field<Options, "vae_tile_overlap", &Options::vae_tile_overlap>({.section = "pipeline",
                                                                    .help = "pixels that neighbouring tiles share",
                                                                    .unit = "pixels",
                                                                    .flag = "tile-overlap",
                                                                    .is_fine_point = true,
                                                                    .minimum = 0,
                                                                    .maximum = max_side}),
    field<Options, "output_type", &Options::output_type>(
        {.section = "generation", .help = "image: 8-bit pictures; tensor: float pixels as well; latent: no decoding"}),
};

}  // namespace

template <>
std::span<const OptionField> option_fields<GenerateOptions>() {
  return generate_fields;
}

double strength_of(const GenerateOptions& options) {
  const bool repaints = options.mask_image.has_value() || !options.outpaint.empty();
  return options.strength.value_or(repaints ? 1.0 : 0.75);
}

int64_t schedule_steps(const GenerateOptions& options) {
  return options.sigmas.empty() ? options.num_inference_steps : static_cast<int64_t>(options.sigmas.size());
}

}  // namespace llmdit
