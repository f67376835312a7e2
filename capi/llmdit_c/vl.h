/** @file
 * Pictures read by a vision-language model.
 */
#ifndef LLMDIT_C_VL_H_
#define LLMDIT_C_VL_H_

#include "encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A Qwen3-VL model. */
typedef struct llmdit_vl_encoder llmdit_vl_encoder;
/** Hidden states of a picture and a text, and how they came about. */
typedef struct llmdit_vl_extraction llmdit_vl_extraction;

/** Of a folder of Qwen3-VL as published, or a hub id in the local cache; NULL: that of the demo model. Of the options those of
 * weights, vl_device and vl_auto_unload count. `cache_size`: hidden states that are kept, by picture, text and layer; 0 keeps none. */
LLMDIT_CHECKED llmdit_status llmdit_vl_encoder_load(llmdit_vl_encoder **encoder, const char *path,
                                                    const llmdit_load_options *options, int64_t cache_size);
/** A pipeline's own, which is loaded where it has not been used yet; LLMDIT_NOT_FOUND when there is none. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_vl_encoder(llmdit_vl_encoder **encoder, const llmdit_pipeline *pipeline);
/** Width of the embeddings; 0 for a bad handle. */
LLMDIT_API int64_t llmdit_vl_encoder_hidden_size(const llmdit_vl_encoder *encoder);
/** Reads a picture, with a text that may be "". */
LLMDIT_CHECKED llmdit_status llmdit_vl_encoder_extract(llmdit_vl_extraction **extraction, const llmdit_vl_encoder *encoder,
                                                       const llmdit_image *image, const char *text, size_t text_length,
                                                       const llmdit_vl_options *options);
/** Writes about a picture, such as a caption, or from text alone where `image` is NULL. `system_prompt` may be NULL. */
LLMDIT_CHECKED llmdit_status llmdit_vl_encoder_generate(llmdit_generated_text **generated, const llmdit_vl_encoder *encoder,
                                                        const llmdit_image *image, const char *text, size_t text_length,
                                                        const char *system_prompt, const llmdit_text_options *options);
/** Frees the weights for good, in all that share them; calls that need them are LLMDIT_INVALID_ARGUMENT from then on. */
LLMDIT_CHECKED llmdit_status llmdit_vl_encoder_unload(llmdit_vl_encoder *encoder);
/** The weights go with the last handle, chat and pipeline that shares them. */
LLMDIT_API void llmdit_vl_encoder_free(llmdit_vl_encoder *encoder);

/** Embeddings [tokens, hidden_size] float32. */
LLMDIT_CHECKED llmdit_status llmdit_vl_extraction_embeddings(llmdit_tensor **embeddings, const llmdit_vl_extraction *extraction);

/** How an extraction came about; its pointers live as long as the handle. */
typedef struct llmdit_vl_extraction_info {
  uint32_t struct_size;
  int64_t num_tokens;
  int64_t hidden_layer;
  const char *token_selection;
  double original_std; /**< of the rows after masking and selection */
  double scaled_std;   /**< of the embeddings */
  double scale_factor; /**< the second over the first; 1 when nothing is scaled */
  const char *normalization_mode;
  const char *outlier_masking;
  double outlier_threshold;
  const int64_t *masked_dimensions; /**< columns that were masked; NULL while masking is off */
  const double *masked_dim_ratios;  /**< deviation over the reference's, of these */
  size_t masked_count;
  const char *full_prompt; /**< the exact text that was tokenised */
  const int64_t *input_ids; /**< all of them, selected or not */
  size_t input_ids_count;
  const char *model_variant; /**< "instruct" or "thinking" */
  bool from_cache;           /**< the hidden states had been computed for an earlier call */
} llmdit_vl_extraction_info;

/** What was read, and what was done to it. */
LLMDIT_CHECKED llmdit_status llmdit_vl_extraction_describe(llmdit_vl_extraction_info *info,
                                                           const llmdit_vl_extraction *extraction);
/** 0 for a bad handle. */
LLMDIT_API size_t llmdit_vl_extraction_warning_count(const llmdit_vl_extraction *extraction);
/** NULL out of range. */
LLMDIT_API const char *llmdit_vl_extraction_warning(const llmdit_vl_extraction *extraction, size_t index);
/** Ends what llmdit_vl_extraction_describe pointed to. */
LLMDIT_API void llmdit_vl_extraction_free(llmdit_vl_extraction *extraction);

/** What was read of the vl_image of a generation; LLMDIT_NOT_FOUND where it had none. */
LLMDIT_CHECKED llmdit_status llmdit_result_vl_extraction(llmdit_vl_extraction **extraction, const llmdit_result *result);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_VL_H_ */
