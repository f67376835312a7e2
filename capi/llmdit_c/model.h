/** @file
 * Model files: what they are, whether they fit, and copies in other forms.
 */
#ifndef LLMDIT_C_MODEL_H_
#define LLMDIT_C_MODEL_H_

#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a file, a folder or a hub id in the local cache is, from headers alone: JSON as `llmdit inspect --json` prints it. `tensors`:
 * with each tensor. LLMDIT_UNSUPPORTED for what is damaged or of no known kind. */
LLMDIT_CHECKED llmdit_status llmdit_inspect(llmdit_text **json, const char *path, bool tensors);

/** Whether a text encoder can serve a transformer, and how it differs from the one it was trained with: JSON with the keys
 * compatible, model_name, hidden_size, num_hidden_layers, max_position_embeddings, errors, warnings and config_diff. Either is a
 * folder, config.json or weight file, or a pipeline's folder; NULL for `transformer`: the published one. An encoder that is missing or
 * damaged is an answer: not compatible, and why. */
LLMDIT_CHECKED llmdit_status llmdit_check_compatibility(llmdit_text **json, const char *encoder, const char *transformer);

/** What a conversion wrote. */
typedef struct llmdit_convert_info {
  uint32_t struct_size;
  const char *component; /**< "text_encoder", "transformer" or "vae"; never freed */
  int64_t tensors;       /**< written */
  int64_t quantized;     /**< of these, quantised */
  uint64_t bytes;        /**< of the tensors' data */
} llmdit_convert_info;

/** Writes the weights of one component as one .safetensors or .gguf file. `info` may be NULL; so may `warnings`, which gets what of
 * the input or of the options is not in the output, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_convert_weights(llmdit_convert_info *info, llmdit_text **warnings, const char *input,
                                                    const char *output, const llmdit_convert_options *options);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_MODEL_H_ */
