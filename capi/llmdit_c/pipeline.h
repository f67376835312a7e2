/** @file
 * From prompts to pictures.
 */
#ifndef LLMDIT_C_PIPELINE_H_
#define LLMDIT_C_PIPELINE_H_

#include "options.h"
#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model that turns prompts into pictures. */
typedef struct llmdit_pipeline llmdit_pipeline;
/** What a generation gave. */
typedef struct llmdit_result llmdit_result;
/** Prompts as the text encoder's numbers. */
typedef struct llmdit_encoding llmdit_encoding;
/** What loading adapters did. */
typedef struct llmdit_lora_report llmdit_lora_report;

/** `path`: a diffusers folder, a folder or file of single files, or a hub id in the local cache; "" when the options name every
 * part; NULL is the tiny demo model that comes with the library. Weights are mapped, not read. LLMDIT_UNSUPPORTED for parts that do
 * not fit each other, too. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load(llmdit_pipeline **pipeline, const char *path, const llmdit_load_options *options);
/** With options->prompt_embeds, `prompt` is NULL. LLMDIT_NOT_FOUND for an unknown template, LLMDIT_UNSUPPORTED to start from a
 * picture where the autoencoder has no encoder, LLMDIT_INTERNAL for an encoder's server that fails; the pipeline works on after all
 * of them. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_generate(llmdit_result **result, const llmdit_pipeline *pipeline, const char *prompt,
                                                      size_t prompt_length, const llmdit_generate_options *options);
/** Several prompts, NUL-terminated, in one batch; NULL with options->prompt_embeds. It fails as the one before. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_generate_batch(llmdit_result **result, const llmdit_pipeline *pipeline,
                                                            const llmdit_texts *prompts, const llmdit_generate_options *options);
/** The text side alone; of the options those of the chat text and the encoder play a role. LLMDIT_NOT_FOUND for an unknown template,
 * LLMDIT_INTERNAL for an encoder's server that fails. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_encode(llmdit_encoding **encoding, const llmdit_pipeline *pipeline,
                                                    const llmdit_texts *prompts, const llmdit_generate_options *options);
/** The autoencoder alone: latents of a result, [batch, channels, h, w], to pixels [batch, 3, 8h, 8w] in 0..1. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_decode(llmdit_tensor **pixels, const llmdit_pipeline *pipeline,
                                                    const llmdit_tensor *latents, const llmdit_generate_options *options);
/** The other way: a picture, its sides multiples of llmdit_pipeline_size_multiple, to the mean of its latents [1, channels, h, w], as
 * options->latents takes them. LLMDIT_UNSUPPORTED for an autoencoder without an encoder. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_encode_image(llmdit_tensor **latents, const llmdit_pipeline *pipeline,
                                                          const llmdit_image *image, const llmdit_generate_options *options);
/** Sides of a picture are multiples of this many pixels; 0 for a bad handle. */
LLMDIT_API int64_t llmdit_pipeline_size_multiple(const llmdit_pipeline *pipeline);
/** The longest prompt in tokens that is not compressed; 0 for a bad handle. */
LLMDIT_API int64_t llmdit_pipeline_max_text_tokens(const llmdit_pipeline *pipeline);
/** A rough picture of latents in no time, `scale` pixels a latent and side, for a step callback. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_preview(llmdit_image **image, const llmdit_pipeline *pipeline,
                                                     const llmdit_tensor *latents, int64_t scale);
/** Fuses an adapter into the weights on top of those that are there. `report` may be NULL. `strict`: a key without use is
 * LLMDIT_UNSUPPORTED, as is a file that matches nothing; then nothing has changed. Calls that run end with the weights they began
 * with. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load_lora(llmdit_lora_report **report, llmdit_pipeline *pipeline, const char *path,
                                                       double scale, bool strict);
/** Several at once, each "path" or "path:scale", with ":te" behind it for the text encoder's keys too; all of them or none. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load_loras(llmdit_lora_report **report, llmdit_pipeline *pipeline,
                                                        const llmdit_texts *loras, bool strict);
/** The adapters that are loaded, as llmdit_pipeline_load_loras takes them, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_loras(llmdit_text **loras, const llmdit_pipeline *pipeline);
/** Takes all adapters off: the weights are again those of the files, bit for bit. Calls that run end with those they began with. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_unload_loras(llmdit_pipeline *pipeline);
/** The text encoder's tokenizer, which outlives the pipeline; LLMDIT_UNSUPPORTED for an encoder that is not here. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_tokenizer(llmdit_tokenizer **tokenizer, const llmdit_pipeline *pipeline);
/** Frees the weights, but those that a handle of an encoder shares; results and calls that run end as they began. */
LLMDIT_API void llmdit_pipeline_free(llmdit_pipeline *pipeline);

/** 0 for a bad handle, and where output_type asks for no pictures. */
LLMDIT_API size_t llmdit_result_image_count(const llmdit_result *result);
/** Shares its pixels with the result and outlives it. */
LLMDIT_CHECKED llmdit_status llmdit_result_image(llmdit_image **image, const llmdit_result *result, size_t index);
/** Final latents [batch, channels, h, w] float32. */
LLMDIT_CHECKED llmdit_status llmdit_result_latents(llmdit_tensor **latents, const llmdit_result *result);
/** Pixels [batch, 3, height, width] float32 in 0..1, of output_type "tensor". */
LLMDIT_CHECKED llmdit_status llmdit_result_pixels(llmdit_tensor **pixels, const llmdit_result *result);
/** The seed of a picture; LLMDIT_NOT_FOUND where the caller gave the latents. */
LLMDIT_CHECKED llmdit_status llmdit_result_seed(uint64_t *seed, const llmdit_result *result, size_t index);
/** What was cut, changed or had no effect; 0 for a bad handle. */
LLMDIT_API size_t llmdit_result_warning_count(const llmdit_result *result);
LLMDIT_API const char *llmdit_result_warning(const llmdit_result *result, size_t index); /**< NULL out of range */

/** Seconds spent in each stage. */
typedef struct llmdit_timings {
  uint32_t struct_size; /**< the caller's sizeof(llmdit_timings) */
  double encode;
  double denoise;
  double decode;
  double total;
} llmdit_timings;
/** How long the stages took. */
LLMDIT_CHECKED llmdit_status llmdit_result_timings(llmdit_timings *timings, const llmdit_result *result);

/** A result as a whole; its pointers live as long as the result. */
typedef struct llmdit_result_info {
  uint32_t struct_size;
  const char *model; /**< name of the model's folder or file */
  size_t prompt_count;
  const float *sigmas; /**< noise levels of the run, steps + 1 */
  size_t sigma_count;
  const double *step_seconds; /**< of each denoising step */
  size_t step_count;
  bool vae_tiled; /**< the autoencoder worked tile by tile */
  const int64_t *reused_steps; /**< denoising steps, from 0, that step_cache kept from being run whole */
  size_t reused_step_count;
} llmdit_result_info;
/** What holds for all of its pictures. */
LLMDIT_CHECKED llmdit_status llmdit_result_describe(llmdit_result_info *info, const llmdit_result *result);

/** What became of one prompt; its pointers live as long as the result. */
typedef struct llmdit_prompt_info {
  uint32_t struct_size;
  int64_t token_count;
  int64_t caption_length;        /**< rows the transformer was given */
  double compression_ratio;      /**< rows before over rows after compression; 1 for a prompt that fits */
  const char *formatted_prompt;  /**< the exact chat text; NULL for prompt_embeds of the caller */
} llmdit_prompt_info;
/** The prompt at `index`, from 0. */
LLMDIT_CHECKED llmdit_status llmdit_result_describe_prompt(llmdit_prompt_info *info, const llmdit_result *result, size_t index);
/** Pictures and tensors that were taken out stay. */
LLMDIT_API void llmdit_result_free(llmdit_result *result);

LLMDIT_API size_t llmdit_encoding_count(const llmdit_encoding *encoding); /**< prompts */
/** [tokens, hidden_size] float32. */
LLMDIT_CHECKED llmdit_status llmdit_encoding_embeddings(llmdit_tensor **embeddings, const llmdit_encoding *encoding, size_t index);
LLMDIT_API int64_t llmdit_encoding_token_count(const llmdit_encoding *encoding, size_t index); /**< 0 out of range */
/** The prompt as it was written; NULL where that is not known. */
LLMDIT_API const char *llmdit_encoding_prompt(const llmdit_encoding *encoding, size_t index);
/** How much more is known of what made the embeddings, by name: "encoder", "hidden_layer", ... */
LLMDIT_API size_t llmdit_encoding_metadata_count(const llmdit_encoding *encoding);
LLMDIT_API const char *llmdit_encoding_metadata_key(const llmdit_encoding *encoding, size_t index);   /**< NULL out of range */
LLMDIT_API const char *llmdit_encoding_metadata_value(const llmdit_encoding *encoding, size_t index); /**< NULL out of range */
LLMDIT_API size_t llmdit_encoding_warning_count(const llmdit_encoding *encoding);
LLMDIT_API const char *llmdit_encoding_warning(const llmdit_encoding *encoding, size_t index); /**< NULL out of range */
/** The exact chat text that was encoded; NULL where it is not known. */
LLMDIT_API const char *llmdit_encoding_formatted_prompt(const llmdit_encoding *encoding, size_t index);
/** Embeddings that were taken out stay. */
LLMDIT_API void llmdit_encoding_free(llmdit_encoding *encoding);

/** Weights that were changed; 0 for a bad handle. */
LLMDIT_API size_t llmdit_lora_report_applied_count(const llmdit_lora_report *report);
LLMDIT_API const char *llmdit_lora_report_applied(const llmdit_lora_report *report, size_t index); /**< its name; NULL out of range */
/** Keys of the file without a use; 0 for a bad handle. */
LLMDIT_API size_t llmdit_lora_report_unused_count(const llmdit_lora_report *report);
/** A key of the file; NULL out of range. */
LLMDIT_API const char *llmdit_lora_report_unused_key(const llmdit_lora_report *report, size_t index);
/** Why that key is of no use; NULL out of range. */
LLMDIT_API const char *llmdit_lora_report_unused_reason(const llmdit_lora_report *report, size_t index);
/** 0 for a bad handle. */
LLMDIT_API size_t llmdit_lora_report_warning_count(const llmdit_lora_report *report);
LLMDIT_API const char *llmdit_lora_report_warning(const llmdit_lora_report *report, size_t index); /**< NULL out of range */
/** The adapters stay on. */
LLMDIT_API void llmdit_lora_report_free(llmdit_lora_report *report);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_PIPELINE_H_ */
