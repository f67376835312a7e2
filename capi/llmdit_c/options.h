/** @file
 * Option structs, and what there is to know of their fields.
 */
#ifndef LLMDIT_C_OPTIONS_H_
#define LLMDIT_C_OPTIONS_H_

#include "values.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where and how the weights of a model are kept. llmdit_option_describe tells choices, bounds and meaning of each field. */
typedef struct llmdit_load_options {
  uint32_t struct_size; /**< set by init */
  const char *dtype;
  const char *quantization;
  const char *device;
  const char *text_encoder_device;
  const char *dit_device;
  const char *vae_device;
  const char *transformer_path;
  const char *text_encoder_path;
  const char *vae_path;
  const char *tokenizer_path;
  const char *vl_model_path;
  const char *vl_device;
  bool vl_auto_unload;
  bool enable_cache;
  int64_t cache_size;
  int64_t cache_megabytes;
  const char *cache_folder;
  llmdit_texts lora;
  const char *text_encoder_quantization; /**< like quantization, for one component */
  const char *dit_quantization;
  const char *vl_quantization;
  bool cpu_offload;
  const char *max_memory; /**< such as "8GB" */
  const char *attention_backend;
  bool compile;
} llmdit_load_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_load_options_init_sized(llmdit_load_options *options, size_t struct_size);
static inline llmdit_status llmdit_load_options_init(llmdit_load_options *options) {
  return llmdit_load_options_init_sized(options, sizeof(*options));
}

/** Where a denoising loop stands, after a step. */
typedef struct llmdit_step_info {
  uint32_t struct_size;
  int64_t step; /**< from 0 */
  int64_t total;
  float sigma;                  /**< noise level of `latents` */
  const llmdit_tensor *latents; /**< [batch, channels, h, w] float32; alive during the callback */
} llmdit_step_info;

/** Anything but 0 stops the call, which returns LLMDIT_CANCELLED. */
typedef int (*llmdit_step_callback)(const llmdit_step_info *info, void *payload);

/** One generation. llmdit_option_describe tells choices, bounds and meaning of each field up to output_type, and of step_cache. */
typedef struct llmdit_generate_options {
  uint32_t struct_size; /**< set by init */
  const int64_t *width;
  const int64_t *height;
  int64_t num_inference_steps;
  const uint64_t *seed;
  int64_t num_images_per_prompt;
  double guidance_scale;
  const char *negative_prompt;
  double cfg_normalization;
  double cfg_truncation;
  const double *shift;
  llmdit_numbers sigmas;
  int64_t hidden_layer;
  const char *layer_weights;
  llmdit_texts layer_spans;
  const char *long_prompt_mode;
  const int64_t *max_text_tokens;
  const char *system_prompt;
  const char *thinking_content;
  const char *assistant_content;
  const bool *force_think_block;
  bool strip_quotes;
  bool clean_whitespace;
  const char *template_name; /**< the option "template" */
  const char *templates_dir;
  const double *strength;
  llmdit_numbers outpaint;
  int64_t mask_feather;
  bool mask_composite;
  double vl_alpha;
  const char *vl_blend_mode;
  const char *vl_text;
  int64_t vl_hidden_layer;
  const char *vl_token_selection;
  const char *vl_system_prompt;
  const bool *vl_force_think_block;
  bool vl_scale_to_text;
  const double *vl_target_std;
  const char *vl_normalization_mode;
  const char *vl_outlier_masking;
  double vl_outlier_threshold;
  const char *vl_statistics;
  const char *vae_tiling;
  int64_t vae_tile_size;
  int64_t vae_tile_overlap;
  const char *output_type;

  const llmdit_image *image;      /**< to start from; for img2img, inpainting and outpainting */
  const llmdit_image *vl_image;   /**< that the prompt is blended with, as a vision-language model sees it */
  const llmdit_image *mask_image; /**< where `image` is painted anew: from half gray on to white */
  const llmdit_tensor *latents;   /**< initial latents [batch, channels, h, w]; they set the size */
  const llmdit_tensor *const *prompt_embeds; /**< one [tokens, hidden_size] a prompt, in place of prompts */
  size_t prompt_embeds_count;
  const llmdit_tensor *const *negative_prompt_embeds; /**< one for all prompts, or one a prompt */
  size_t negative_prompt_embeds_count;
  llmdit_step_callback on_step;
  void *on_step_payload;
  const llmdit_cancellation *cancellation;
  double step_cache;
} llmdit_generate_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_generate_options_init_sized(llmdit_generate_options *options, size_t struct_size);
static inline llmdit_status llmdit_generate_options_init(llmdit_generate_options *options) {
  return llmdit_generate_options_init_sized(options, sizeof(*options));
}

/** A token as a language model writes it. */
typedef struct llmdit_token_info {
  uint32_t struct_size;
  int64_t step;     /**< from 0 */
  int64_t id;       /**< -1 for the text of a server, which sends no ids */
  const char *text; /**< what is new of the text, in whole characters: empty while one is not complete; alive during the callback */
  size_t text_length;
} llmdit_token_info;

/** Called for each token but the one that ends the text. Anything but 0 ends the text there: the call returns what there is. A
 * cancellation, which a callback may request too, ends the call with LLMDIT_CANCELLED instead. */
typedef int (*llmdit_token_callback)(const llmdit_token_info *info, void *payload);

/** How a language model goes on with a text. llmdit_option_describe tells the fields up to presence_penalty. */
typedef struct llmdit_text_options {
  uint32_t struct_size; /**< set by init */
  int64_t max_new_tokens;
  const uint64_t *seed;
  double temperature;
  int64_t top_k;
  double top_p;
  double min_p;
  double repetition_penalty;
  double presence_penalty;

  const int64_t *stop_ids; /**< token ids that end the text besides the model's own */
  size_t stop_ids_count;
  llmdit_token_callback on_token;
  void *on_token_payload;
  const llmdit_cancellation *cancellation;
} llmdit_text_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_text_options_init_sized(llmdit_text_options *options, size_t struct_size);
static inline llmdit_status llmdit_text_options_init(llmdit_text_options *options) {
  return llmdit_text_options_init_sized(options, sizeof(*options));
}

/** How a language model is asked, or rewrites a prompt; what is not given is the model's own choice. llmdit_option_describe tells the
 * fields up to presence_penalty. */
typedef struct llmdit_rewrite_options {
  uint32_t struct_size; /**< set by init */
  const char *rewriter;
  const char *system_prompt;
  bool enable_thinking;
  int64_t max_new_tokens;
  const uint64_t *seed;
  const double *temperature;
  const int64_t *top_k;
  const double *top_p;
  const double *min_p;
  const double *repetition_penalty;
  const double *presence_penalty;

  const llmdit_image *image;      /**< that the prompt is about, or is to be made from */
  llmdit_token_callback on_token; /**< thinking included */
  void *on_token_payload;
  const llmdit_cancellation *cancellation;
} llmdit_rewrite_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_rewrite_options_init_sized(llmdit_rewrite_options *options, size_t struct_size);
static inline llmdit_status llmdit_rewrite_options_init(llmdit_rewrite_options *options) {
  return llmdit_rewrite_options_init_sized(options, sizeof(*options));
}

typedef struct llmdit_statistics llmdit_statistics;

/** How a vision-language model reads a picture. llmdit_option_describe tells the fields up to outlier_threshold. */
typedef struct llmdit_vl_options {
  uint32_t struct_size; /**< set by init */
  int64_t hidden_layer;
  const char *token_selection;
  const char *system_prompt;
  const bool *force_think_block;
  bool scale_to_text;
  const double *target_std;
  const char *normalization_mode;
  const char *outlier_masking;
  double outlier_threshold;

  const llmdit_statistics *statistics; /**< of the text encoder; masking, "per_dim" and "hybrid" need them */
  const llmdit_cancellation *cancellation;
} llmdit_vl_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_vl_options_init_sized(llmdit_vl_options *options, size_t struct_size);
static inline llmdit_status llmdit_vl_options_init(llmdit_vl_options *options) {
  return llmdit_vl_options_init_sized(options, sizeof(*options));
}

/** A server that does a part of the work. llmdit_option_describe tells the fields up to api_retries. */
typedef struct llmdit_remote_options {
  uint32_t struct_size; /**< set by init */
  const char *api_url;
  const char *encoder_api;
  const char *api_model;
  llmdit_numbers api_layer_ids;
  const char *api_folder;
  double api_connect_timeout;
  double api_read_timeout;
  double api_timeout;
  int64_t api_retries;

  const char *api_key; /**< sent as a bearer token to that host only; NULL: none */
} llmdit_remote_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_remote_options_init_sized(llmdit_remote_options *options, size_t struct_size);
static inline llmdit_status llmdit_remote_options_init(llmdit_remote_options *options) {
  return llmdit_remote_options_init_sized(options, sizeof(*options));
}

/** How weights are written. llmdit_option_describe tells the fields. */
typedef struct llmdit_convert_options {
  uint32_t struct_size; /**< set by init */
  const char *layout;
  const char *dtype;
  const char *quantization;
} llmdit_convert_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_convert_options_init_sized(llmdit_convert_options *options, size_t struct_size);
static inline llmdit_status llmdit_convert_options_init(llmdit_convert_options *options) {
  return llmdit_convert_options_init_sized(options, sizeof(*options));
}

/** A struct whose fields llmdit_option_describe tells. */
typedef enum llmdit_option_struct LLMDIT_ENUM_TYPE {
  LLMDIT_LOAD_OPTIONS = 0,
  LLMDIT_GENERATE_OPTIONS = 1,
  LLMDIT_TEXT_OPTIONS = 2,
  LLMDIT_REWRITE_OPTIONS = 3,
  LLMDIT_VL_OPTIONS = 4,
  LLMDIT_REMOTE_OPTIONS = 5,
  LLMDIT_CONVERT_OPTIONS = 6
} llmdit_option_struct;

/** What there is to know of one field; the texts are never freed. */
typedef struct llmdit_option_info {
  uint32_t struct_size; /**< the caller's sizeof(llmdit_option_info) */
  const char *name;
  const char *kind; /**< "boolean", "integer", "unsigned_integer", "number", "text", "choice", "numbers", "texts" */
  const char *help;
  const char *unit;    /**< "" for a plain number */
  const char *choices; /**< of a choice, separated by commas; "" otherwise */
  double minimum;      /**< inclusive; -INFINITY and INFINITY where there is no bound */
  double maximum;
  bool optional; /**< may be "not given" */
  size_t offset; /**< in the struct, bytes */
} llmdit_option_info;

/** Fields that stand in a table; 0 for a value that is no struct. */
LLMDIT_API size_t llmdit_option_count(llmdit_option_struct options);
/** The field at `index`, from 0. */
LLMDIT_CHECKED llmdit_status llmdit_option_describe(llmdit_option_info *info, llmdit_option_struct options, size_t index);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_OPTIONS_H_ */
