/* A picture of a prompt. From the root of the repository, after `make demo`:
 *   build/bin/text_to_picture_c "a red circle left of a blue star" picture.png [model]                                      */
#include "example.h"

int main(int argc, char **argv) {
  const char *prompt = argc > 1 ? argv[1] : "a red circle left of a blue star on a yellow background";
  const uint64_t seed = 1;
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;

  llmdit_pipeline *pipeline = NULL;
  llmdit_result *result = NULL;
  must(llmdit_pipeline_load(&pipeline, argc > 3 ? argv[3] : NULL, NULL));
  must(llmdit_pipeline_generate(&result, pipeline, prompt, LLMDIT_NUL_TERMINATED, &options));
  write_first(result, argc > 2 ? argv[2] : "text_to_picture_c.png");
  llmdit_result_free(result);
  llmdit_pipeline_free(pipeline);
  return 0;
}
