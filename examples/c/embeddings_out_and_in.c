/* The language model's output as plain numbers: taken out, mixed, and given back in place of a prompt:
 *   build/bin/embeddings_out_and_in_c                                                                                      */
#include "example.h"

int main(void) {
  const char *prompts[] = {"a red circle on a white background", "a red circle on a black background"};
  const llmdit_texts list = {prompts, 2};
  const uint64_t seed = 1;
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;

  llmdit_pipeline *pipeline = NULL;
  llmdit_encoding *encoding = NULL;
  llmdit_tensor *day = NULL, *night = NULL;
  must(llmdit_pipeline_load(&pipeline, NULL, NULL));
  must(llmdit_pipeline_encode(&encoding, pipeline, &list, NULL));
  must(llmdit_encoding_embeddings(&day, encoding, 0));
  must(llmdit_encoding_embeddings(&night, encoding, 1));
  const int64_t shape[] = {llmdit_tensor_size(day, 0), llmdit_tensor_size(day, 1)};
  const float *from = llmdit_tensor_data(day, LLMDIT_FLOAT32), *to = llmdit_tensor_data(night, LLMDIT_FLOAT32);
  float *mixed = malloc((size_t)(shape[0] * shape[1]) * sizeof(float));
  if (mixed == NULL || from == NULL || to == NULL || llmdit_tensor_size(night, 0) != shape[0]) return 1;
  for (int share = 0; share <= 2; ++share) {
    for (int64_t i = 0; i < shape[0] * shape[1]; ++i) mixed[i] = from[i] * (1 - share / 2.0f) + to[i] * (share / 2.0f);
    llmdit_tensor *embeds = NULL;
    llmdit_result *result = NULL;
    must(llmdit_tensor_from_buffer(&embeds, mixed, LLMDIT_FLOAT32, shape, 2));
    const llmdit_tensor *given[] = {embeds};
    options.prompt_embeds = given;
    options.prompt_embeds_count = 1;
    must(llmdit_pipeline_generate(&result, pipeline, NULL, 0, &options));
    char path[64];
    snprintf(path, sizeof(path), "embeddings_out_and_in_c-%.1f.png", share / 2.0);
    write_first(result, path);
    llmdit_result_free(result);
    llmdit_tensor_free(embeds);
  }
  free(mixed);
  llmdit_tensor_free(day);
  llmdit_tensor_free(night);
  llmdit_encoding_free(encoding);
  llmdit_pipeline_free(pipeline);
  return 0;
}
