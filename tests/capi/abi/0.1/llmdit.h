/* The C interface of llmdit: from prompts to pictures with Z-Image.
 *
 * Status     A function that can fail returns LLMDIT_OK or what went wrong; llmdit_last_error() then says it in words. Outputs
 *            come first in the argument list and are NULL after a failure.
 * Handles    Every opaque struct is made by a function of this header, belongs to the caller, and goes back through its own _free,
 *            which takes NULL. A handle of another kind, or one already freed, is refused, never followed.
 * Pointers   that a handle gives out (pixels, texts) live as long as the handle. What a call is given is read during the call and
 *            not kept, unless its comment says so.
 * Text       is UTF-8. Text parameters end with NUL; prompts have a length, and LLMDIT_NUL_TERMINATED may stand for it.
 * Options    are structs that llmdit_..._options_init fills with the defaults and its own size. NULL for the struct means all
 *            defaults. A NULL text, or a NULL pointer to a number, means "not given", which differs from "" and 0.
 * Threads    All functions may be called from many threads at once, on the same handle too. Freeing a handle that another thread
 *            is using lets that call finish. Callbacks run on the thread that made the call.
 * ABI        Fields are only ever appended to structs and never change their meaning; values of enums stay. llmdit_abi_version()
 *            counts the changes that break this promise.
 */
#ifndef LLMDIT_H_
#define LLMDIT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(LLMDIT_C_BUILDING)
#define LLMDIT_API __declspec(dllexport)
#elif defined(_WIN32)
#define LLMDIT_API __declspec(dllimport)
#else
#define LLMDIT_API __attribute__((visibility("default")))
#endif
#if defined(__GNUC__)
#define LLMDIT_CHECKED LLMDIT_API __attribute__((warn_unused_result))
#else
#define LLMDIT_CHECKED LLMDIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LLMDIT_ABI_VERSION 1
#define LLMDIT_NUL_TERMINATED SIZE_MAX

/* ---- Status and versions ------------------------------------------------------------------------------------------- */

typedef enum llmdit_status {
  LLMDIT_OK = 0,
  LLMDIT_INVALID_ARGUMENT = 1, /* a value the caller passed: size, range, shape, kind of handle */
  LLMDIT_NOT_FOUND = 2,        /* a file, folder or name that is missing or cannot be read or written */
  LLMDIT_UNSUPPORTED = 3,      /* a file or model that is damaged, incompatible, or of a kind that is not handled */
  LLMDIT_OUT_OF_MEMORY = 4,
  LLMDIT_CANCELLED = 5,
  LLMDIT_INTERNAL = 6
} llmdit_status;

/* The status' name, such as "not_found". */
LLMDIT_API const char *llmdit_status_name(llmdit_status status);

/* What the latest call on this thread that failed says of it: "[operation] what was expected, what came, what to do". It lives
 * until the next failure on this thread. */
LLMDIT_API const char *llmdit_last_error(void);

LLMDIT_API const char *llmdit_version(void); /* such as "0.1.0" */
LLMDIT_API uint32_t llmdit_abi_version(void); /* LLMDIT_ABI_VERSION of the library at hand */

/* ---- Values -------------------------------------------------------------------------------------------------------- */

typedef struct llmdit_cancellation llmdit_cancellation;
typedef struct llmdit_encoding llmdit_encoding;
typedef struct llmdit_image llmdit_image;
typedef struct llmdit_lora_report llmdit_lora_report;
typedef struct llmdit_pipeline llmdit_pipeline;
typedef struct llmdit_result llmdit_result;
typedef struct llmdit_tensor llmdit_tensor;
typedef struct llmdit_text llmdit_text;
typedef struct llmdit_tokenizer llmdit_tokenizer;

/* Text the library made. */
LLMDIT_API const char *llmdit_text_data(const llmdit_text *text); /* NUL-terminated; NULL for a bad handle */
LLMDIT_API size_t llmdit_text_length(const llmdit_text *text);    /* bytes before the NUL */
LLMDIT_API void llmdit_text_free(llmdit_text *text);

typedef enum llmdit_dtype {
  LLMDIT_FLOAT32 = 0,
  LLMDIT_FLOAT16 = 1,
  LLMDIT_BFLOAT16 = 2,
  LLMDIT_FLOAT64 = 3,
  LLMDIT_INT64 = 4,
  LLMDIT_UINT8 = 5
} llmdit_dtype;

/* A tensor with a copy of `data`, row-major; at most 8 dimensions. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_from_buffer(llmdit_tensor **tensor, const void *data, llmdit_dtype dtype,
                                                       const int64_t *shape, size_t dimensions);
/* The same numbers, not copied. `managed` is a DLManagedTensor of DLPack 0.8 or older, which now belongs to the
 * tensor; after a failure it is still the caller's. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_from_dlpack(llmdit_tensor **tensor, void *managed);
/* A DLManagedTensor on the same numbers, whose deleter the caller runs when done; the tensor may be freed before. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_to_dlpack(void **managed, const llmdit_tensor *tensor);
/* Copies the numbers, row-major, as `dtype`. `size` must be that of all of them, in bytes. */
LLMDIT_CHECKED llmdit_status llmdit_tensor_copy(void *buffer, size_t size, const llmdit_tensor *tensor, llmdit_dtype dtype);
/* The numbers where they lie, row-major; NULL unless they are on a CPU, contiguous and of `dtype`. */
LLMDIT_API const void *llmdit_tensor_data(const llmdit_tensor *tensor, llmdit_dtype dtype);
LLMDIT_CHECKED llmdit_status llmdit_tensor_dtype(llmdit_dtype *dtype, const llmdit_tensor *tensor);
LLMDIT_API size_t llmdit_tensor_dimensions(const llmdit_tensor *tensor);                   /* 0 for a bad handle */
LLMDIT_API int64_t llmdit_tensor_size(const llmdit_tensor *tensor, size_t dimension);      /* -1 out of range */
LLMDIT_API void llmdit_tensor_free(llmdit_tensor *tensor);

/* Pictures: 8-bit RGB, row-major, three bytes a pixel, no padding between rows. */
LLMDIT_CHECKED llmdit_status llmdit_image_from_pixels(llmdit_image **image, const uint8_t *pixels, int64_t width, int64_t height);
LLMDIT_CHECKED llmdit_status llmdit_image_read(llmdit_image **image, const char *path); /* PNG, JPEG or WebP, told by content */
LLMDIT_CHECKED llmdit_status llmdit_image_decode(llmdit_image **image, const uint8_t *bytes, size_t size);
/* Lanczos. */
LLMDIT_CHECKED llmdit_status llmdit_image_resize(llmdit_image **resized, const llmdit_image *image, int64_t width, int64_t height);
LLMDIT_API int64_t llmdit_image_width(const llmdit_image *image); /* 0 for a bad handle */
LLMDIT_API int64_t llmdit_image_height(const llmdit_image *image);
LLMDIT_API const uint8_t *llmdit_image_pixels(const llmdit_image *image);
/* In the format of the suffix, with the settings that made the picture where it comes from a result. */
LLMDIT_CHECKED llmdit_status llmdit_image_write(const llmdit_image *image, const char *path);
/* As PNG without any metadata, whatever the suffix. */
LLMDIT_CHECKED llmdit_status llmdit_image_write_png(const llmdit_image *image, const char *path);
LLMDIT_API void llmdit_image_free(llmdit_image *image);

/* Lets one thread stop calls of others: they return LLMDIT_CANCELLED at the next step, tile, block or token. */
LLMDIT_CHECKED llmdit_status llmdit_cancellation_create(llmdit_cancellation **cancellation);
LLMDIT_CHECKED llmdit_status llmdit_cancellation_request(llmdit_cancellation *cancellation);
LLMDIT_API void llmdit_cancellation_free(llmdit_cancellation *cancellation);

/* ---- Options ------------------------------------------------------------------------------------------------------- */

typedef struct llmdit_numbers {
  const double *values;
  size_t count;
} llmdit_numbers;

typedef struct llmdit_texts {
  const char *const *values;
  size_t count;
} llmdit_texts;

/* Where and how the weights of a model are kept. llmdit_option_describe tells choices, bounds and meaning of each field. */
typedef struct llmdit_load_options {
  uint32_t struct_size; /* set by init */
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
} llmdit_load_options;

/* For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_load_options_init_sized(llmdit_load_options *options, size_t struct_size);
static inline llmdit_status llmdit_load_options_init(llmdit_load_options *options) {
  return llmdit_load_options_init_sized(options, sizeof(*options));
}

/* Where a denoising loop stands, after a step. */
typedef struct llmdit_step_info {
  uint32_t struct_size;
  int64_t step; /* from 0 */
  int64_t total;
  float sigma;                  /* noise level of `latents` */
  const llmdit_tensor *latents; /* [batch, channels, h, w] float32; alive during the callback */
} llmdit_step_info;

/* Anything but 0 stops the call, which returns LLMDIT_CANCELLED. */
typedef int (*llmdit_step_callback)(const llmdit_step_info *info, void *payload);

/* One generation. llmdit_option_describe tells choices, bounds and meaning of each field up to output_type. */
typedef struct llmdit_generate_options {
  uint32_t struct_size; /* set by init */
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
  const char *template_name; /* the option "template" */
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

  const llmdit_image *image;      /* to start from; for img2img, inpainting and outpainting */
  const llmdit_image *vl_image;   /* that the prompt is blended with, as a vision-language model sees it */
  const llmdit_image *mask_image; /* where `image` is painted anew: from half gray on to white */
  const llmdit_tensor *latents;   /* initial latents [batch, channels, h, w]; they set the size */
  const llmdit_tensor *const *prompt_embeds; /* one [tokens, hidden_size] a prompt, in place of prompts */
  size_t prompt_embeds_count;
  const llmdit_tensor *const *negative_prompt_embeds; /* one for all prompts, or one a prompt */
  size_t negative_prompt_embeds_count;
  llmdit_step_callback on_step;
  void *on_step_payload;
  const llmdit_cancellation *cancellation;
} llmdit_generate_options;

/* For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_generate_options_init_sized(llmdit_generate_options *options, size_t struct_size);
static inline llmdit_status llmdit_generate_options_init(llmdit_generate_options *options) {
  return llmdit_generate_options_init_sized(options, sizeof(*options));
}

typedef enum llmdit_option_struct { LLMDIT_LOAD_OPTIONS = 0, LLMDIT_GENERATE_OPTIONS = 1 } llmdit_option_struct;

/* What there is to know of one field; the texts are never freed. */
typedef struct llmdit_option_info {
  uint32_t struct_size; /* the caller's sizeof(llmdit_option_info) */
  const char *name;
  const char *kind; /* "boolean", "integer", "unsigned_integer", "number", "text", "choice", "numbers", "texts" */
  const char *help;
  const char *unit;    /* "" for a plain number */
  const char *choices; /* of a choice, separated by commas; "" otherwise */
  double minimum;      /* inclusive; -INFINITY and INFINITY where there is no bound */
  double maximum;
  bool optional; /* may be "not given" */
  size_t offset; /* in the struct, bytes */
} llmdit_option_info;

LLMDIT_API size_t llmdit_option_count(llmdit_option_struct options);
LLMDIT_CHECKED llmdit_status llmdit_option_describe(llmdit_option_info *info, llmdit_option_struct options, size_t index);

/* ---- The pipeline -------------------------------------------------------------------------------------------------- */

/* `path`: a diffusers folder, a folder or file of single files, or a hub id in the local cache; "" when the options name every
 * part; NULL is the tiny demo model that comes with the library. Weights are mapped, not read. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load(llmdit_pipeline **pipeline, const char *path, const llmdit_load_options *options);
/* With options->prompt_embeds, `prompt` is NULL. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_generate(llmdit_result **result, const llmdit_pipeline *pipeline, const char *prompt,
                                                      size_t prompt_length, const llmdit_generate_options *options);
/* Several prompts, NUL-terminated, in one batch; NULL with options->prompt_embeds. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_generate_batch(llmdit_result **result, const llmdit_pipeline *pipeline,
                                                            const llmdit_texts *prompts, const llmdit_generate_options *options);
/* The text side alone; of the options those of the chat text and the encoder play a role. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_encode(llmdit_encoding **encoding, const llmdit_pipeline *pipeline,
                                                    const llmdit_texts *prompts, const llmdit_generate_options *options);
/* The autoencoder alone: latents of a result, [batch, channels, h, w], to pixels [batch, 3, 8h, 8w] in 0..1. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_decode(llmdit_tensor **pixels, const llmdit_pipeline *pipeline,
                                                    const llmdit_tensor *latents, const llmdit_generate_options *options);
/* A rough picture of latents in no time, `scale` pixels a latent and side, for a step callback. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_preview(llmdit_image **image, const llmdit_pipeline *pipeline,
                                                     const llmdit_tensor *latents, int64_t scale);
/* Fuses an adapter into the weights on top of those that are there. `report` may be NULL. `strict`: a key without use is an error. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load_lora(llmdit_lora_report **report, llmdit_pipeline *pipeline, const char *path,
                                                       double scale, bool strict);
/* Takes all adapters off: the weights are again those of the files, bit for bit. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_unload_loras(llmdit_pipeline *pipeline);
LLMDIT_CHECKED llmdit_status llmdit_pipeline_tokenizer(llmdit_tokenizer **tokenizer, const llmdit_pipeline *pipeline);
LLMDIT_API void llmdit_pipeline_free(llmdit_pipeline *pipeline);

/* ---- What calls give back ------------------------------------------------------------------------------------------ */

LLMDIT_API size_t llmdit_result_image_count(const llmdit_result *result);
/* Shares its pixels with the result and outlives it. */
LLMDIT_CHECKED llmdit_status llmdit_result_image(llmdit_image **image, const llmdit_result *result, size_t index);
/* Final latents [batch, channels, h, w] float32. */
LLMDIT_CHECKED llmdit_status llmdit_result_latents(llmdit_tensor **latents, const llmdit_result *result);
/* Pixels [batch, 3, height, width] float32 in 0..1, of output_type "tensor". */
LLMDIT_CHECKED llmdit_status llmdit_result_pixels(llmdit_tensor **pixels, const llmdit_result *result);
/* The seed of a picture; LLMDIT_NOT_FOUND where the caller gave the latents. */
LLMDIT_CHECKED llmdit_status llmdit_result_seed(uint64_t *seed, const llmdit_result *result, size_t index);
LLMDIT_API size_t llmdit_result_warning_count(const llmdit_result *result);
LLMDIT_API const char *llmdit_result_warning(const llmdit_result *result, size_t index); /* NULL out of range */

/* Seconds spent in each stage. */
typedef struct llmdit_timings {
  uint32_t struct_size; /* the caller's sizeof(llmdit_timings) */
  double encode;
  double denoise;
  double decode;
  double total;
} llmdit_timings;
LLMDIT_CHECKED llmdit_status llmdit_result_timings(llmdit_timings *timings, const llmdit_result *result);
LLMDIT_API void llmdit_result_free(llmdit_result *result);

LLMDIT_API size_t llmdit_encoding_count(const llmdit_encoding *encoding); /* prompts */
/* [tokens, hidden_size] float32. */
LLMDIT_CHECKED llmdit_status llmdit_encoding_embeddings(llmdit_tensor **embeddings, const llmdit_encoding *encoding, size_t index);
/* The exact chat text that was encoded; NULL out of range. */
LLMDIT_API const char *llmdit_encoding_formatted_prompt(const llmdit_encoding *encoding, size_t index);
LLMDIT_API void llmdit_encoding_free(llmdit_encoding *encoding);

LLMDIT_API size_t llmdit_lora_report_applied_count(const llmdit_lora_report *report);
LLMDIT_API const char *llmdit_lora_report_applied(const llmdit_lora_report *report, size_t index); /* name of a changed weight */
LLMDIT_API size_t llmdit_lora_report_unused_count(const llmdit_lora_report *report);
LLMDIT_API const char *llmdit_lora_report_unused_key(const llmdit_lora_report *report, size_t index);
LLMDIT_API const char *llmdit_lora_report_unused_reason(const llmdit_lora_report *report, size_t index);
LLMDIT_API void llmdit_lora_report_free(llmdit_lora_report *report);

/* ---- Text and machine ---------------------------------------------------------------------------------------------- */

/* The chat text of one prompt, as the encoder reads it; of the options those of the chat text play a role. */
LLMDIT_CHECKED llmdit_status llmdit_format_prompt(llmdit_text **text, const char *prompt, size_t prompt_length,
                                                  const llmdit_generate_options *options);

/* A tokenizer folder or file. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_load(llmdit_tokenizer **tokenizer, const char *path);
/* *count is the room in `ids` before and the number of ids after the call; NULL for `ids` only counts. More ids than room is
 * LLMDIT_INVALID_ARGUMENT, and *count says how many there are. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_encode(int64_t *ids, size_t *count, const llmdit_tokenizer *tokenizer,
                                                     const char *text, size_t text_length);
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_decode(llmdit_text **text, const llmdit_tokenizer *tokenizer, const int64_t *ids,
                                                     size_t count, bool skip_special_tokens);
LLMDIT_API void llmdit_tokenizer_free(llmdit_tokenizer *tokenizer);

/* Devices that weights can be placed on, the CPU first: names as options take them, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_device_names(llmdit_text **names);
/* The folder of the demo model. */
LLMDIT_CHECKED llmdit_status llmdit_demo_model_path(llmdit_text **path);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_H_ */
