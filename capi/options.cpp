#include "capi/options.hpp"

#include <memory>
#include <mutex>
#include <set>

#include "capi/option_links.hpp"

namespace llmdit::capi {
namespace {

/// The callback as the library calls it: its exception is none, a status other than 0 stops.
StepCallback read_callback(llmdit_step_callback on_step, void* payload) {
  if (!on_step) return {};
  return [on_step, payload](const StepInfo& info) {
    // Freed whatever way a callback of C++ takes out of here.
    const std::unique_ptr<llmdit_tensor, decltype(&free_handle<llmdit_tensor>)> latents(make_tensor(info.latents),
                                                                                        &free_handle<llmdit_tensor>);
    const llmdit_step_info shown{.struct_size = sizeof(shown),
                                 .step = info.step,
                                 .total = info.total,
                                 .sigma = info.sigma,
                                 .latents = latents.get()};
    return on_step(&shown, payload) != 0;
  };
}

}  // namespace

const char* keep_text(const std::string& text) {
  static std::mutex mutex;
  static auto* const texts = new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return texts->insert(text).first->c_str();
}

std::span<const Link> Struct<LoadOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, dtype),
      LLMDIT_LINK(type, quantization),
      LLMDIT_LINK(type, device),
      LLMDIT_LINK(type, text_encoder_device),
      LLMDIT_LINK(type, dit_device),
      LLMDIT_LINK(type, vae_device),
      LLMDIT_LINK(type, transformer_path),
      LLMDIT_LINK(type, text_encoder_path),
      LLMDIT_LINK(type, vae_path),
      LLMDIT_LINK(type, tokenizer_path),
      LLMDIT_LINK(type, vl_model_path),
      LLMDIT_LINK(type, vl_device),
      LLMDIT_LINK(type, vl_auto_unload),
      LLMDIT_LINK(type, enable_cache),
      LLMDIT_LINK(type, cache_size),
      LLMDIT_LINK(type, cache_megabytes),
      LLMDIT_LINK(type, cache_folder),
      LLMDIT_LINK(type, lora),
      LLMDIT_LINK(type, text_encoder_quantization),
      LLMDIT_LINK(type, dit_quantization),
      LLMDIT_LINK(type, vl_quantization),
      LLMDIT_LINK(type, cpu_offload),
      LLMDIT_LINK(type, max_memory),
      LLMDIT_LINK(type, attention_backend),
      LLMDIT_LINK(type, compile),
  };
  return links;
}

std::span<const Link> Struct<GenerateOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, width),
      LLMDIT_LINK(type, height),
      LLMDIT_LINK(type, num_inference_steps),
      LLMDIT_LINK(type, seed),
      LLMDIT_LINK(type, num_images_per_prompt),
      LLMDIT_LINK(type, guidance_scale),
      LLMDIT_LINK(type, negative_prompt),
      LLMDIT_LINK(type, cfg_normalization),
      LLMDIT_LINK(type, cfg_truncation),
      LLMDIT_LINK(type, shift),
      LLMDIT_LINK(type, sigmas),
      LLMDIT_LINK(type, hidden_layer),
      LLMDIT_LINK(type, layer_weights),
      LLMDIT_LINK(type, layer_spans),
      LLMDIT_LINK(type, long_prompt_mode),
      LLMDIT_LINK(type, max_text_tokens),
      LLMDIT_LINK(type, system_prompt),
      LLMDIT_LINK(type, thinking_content),
      LLMDIT_LINK(type, assistant_content),
      LLMDIT_LINK(type, force_think_block),
      LLMDIT_LINK(type, strip_quotes),
      LLMDIT_LINK(type, clean_whitespace),
      link<decltype(type::template_name)>("template", offsetof(type, template_name)),  // a keyword in C++
      LLMDIT_LINK(type, templates_dir),
      LLMDIT_LINK(type, strength),
      LLMDIT_LINK(type, outpaint),
      LLMDIT_LINK(type, mask_feather),
      LLMDIT_LINK(type, mask_composite),
      LLMDIT_LINK(type, vl_alpha),
      LLMDIT_LINK(type, vl_blend_mode),
      LLMDIT_LINK(type, vl_text),
      LLMDIT_LINK(type, vl_hidden_layer),
      LLMDIT_LINK(type, vl_token_selection),
      LLMDIT_LINK(type, vl_system_prompt),
      LLMDIT_LINK(type, vl_force_think_block),
      LLMDIT_LINK(type, vl_scale_to_text),
      LLMDIT_LINK(type, vl_target_std),
      LLMDIT_LINK(type, vl_normalization_mode),
      LLMDIT_LINK(type, vl_outlier_masking),
      LLMDIT_LINK(type, vl_outlier_threshold),
      LLMDIT_LINK(type, vl_statistics),
      LLMDIT_LINK(type, step_cache),
      LLMDIT_LINK(type, vae_tiling),
      LLMDIT_LINK(type, vae_tile_size),
      LLMDIT_LINK(type, vae_tile_overlap),
      LLMDIT_LINK(type, output_type),
  };
  return links;
}

LoadOptions read_options(const llmdit_load_options* given, std::string_view operation) {
  if (!given) return {};
  return read_fields<LoadOptions>(current_struct<LoadOptions>(*given, operation));
}

GenerateOptions read_options(const llmdit_generate_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_generate_options current = current_struct<GenerateOptions>(*given, operation);
  GenerateOptions options = read_fields<GenerateOptions>(current);
  if (current.image) options.image = *borrow(current.image, "image")->value;
  if (current.mask_image) options.mask_image = *borrow(current.mask_image, "mask_image")->value;
  if (current.vl_image) options.vl_image = *borrow(current.vl_image, "vl_image")->value;
  if (current.latents) options.latents = read_tensor(current.latents, "latents");
  if (current.prompt_embeds || current.prompt_embeds_count > 0)
    options.prompt_embeds = read_tensors(current.prompt_embeds, current.prompt_embeds_count, "prompt_embeds");
  if (current.negative_prompt_embeds || current.negative_prompt_embeds_count > 0)
    options.negative_prompt_embeds =
        read_tensors(current.negative_prompt_embeds, current.negative_prompt_embeds_count, "negative_prompt_embeds");
  options.on_step = read_callback(current.on_step, current.on_step_payload);
  options.stop = read_stop(current.cancellation, "cancellation");
  return options;
}

EncodeOptions encode_options(const GenerateOptions& options) {
  return {.hidden_layer = options.hidden_layer,
          .layer_weights = options.layer_weights,
          .layer_spans = options.layer_spans,
          .stop = options.stop};
}

}  // namespace llmdit::capi

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_load_options_init_sized(llmdit_load_options* options, size_t struct_size) {
  return init<LoadOptions>(options, struct_size, "load_options_init");
}

llmdit_status llmdit_generate_options_init_sized(llmdit_generate_options* options, size_t struct_size) {
  return init<GenerateOptions>(options, struct_size, "generate_options_init");
}
