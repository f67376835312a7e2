/* What the transformer makes of the language model's hidden layers, from the last but one backwards:
 *   build/bin/hidden_layer_sweep_c                                                                                         */
#include "example.h"

int main(void) {
  const uint64_t seed = 1;
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;

  llmdit_pipeline *pipeline = NULL;
  must(llmdit_pipeline_load(&pipeline, NULL, NULL));
  for (int layer = -2; layer >= -4; --layer) {
    char path[64];
    llmdit_result *result = NULL;
    options.hidden_layer = layer;
    must(llmdit_pipeline_generate(&result, pipeline, "a purple heart", LLMDIT_NUL_TERMINATED, &options));
    snprintf(path, sizeof(path), "hidden_layer_sweep_c%d.png", layer);
    write_first(result, path);
    llmdit_result_free(result);
  }
  llmdit_pipeline_free(pipeline);
  return 0;
}
