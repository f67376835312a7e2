/* What becomes of a prompt that is longer than the transformer takes, by each way to make it fit:
 *   build/bin/long_prompt_modes_c                                                                                           */
#include "example.h"

int main(void) {
  const char *prompt =
      "a red circle on a white background. The circle is in the middle and it is large. It is drawn in a flat style with "
      "clean edges. Nothing else is in the picture, and the background is plain.";
  const char *modes[] = {"truncate", "interpolate", "pool", "attention_pool", "segments"};
  const uint64_t seed = 1;
  const int64_t max_text_tokens = 32; /* the models' own limits are longer than a screen of text */
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;
  options.max_text_tokens = &max_text_tokens;

  llmdit_pipeline *pipeline = NULL;
  must(llmdit_pipeline_load(&pipeline, NULL, NULL));
  for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); ++i) {
    char path[64];
    llmdit_result *result = NULL;
    llmdit_prompt_info info = {.struct_size = sizeof(info)};
    options.long_prompt_mode = modes[i];
    must(llmdit_pipeline_generate(&result, pipeline, prompt, LLMDIT_NUL_TERMINATED, &options));
    must(llmdit_result_describe_prompt(&info, result, 0));
    printf("%d tokens became %d: ", (int)info.token_count, (int)info.caption_length);
    snprintf(path, sizeof(path), "long_prompt_modes_c-%s.png", modes[i]);
    write_first(result, path);
    llmdit_result_free(result);
  }
  llmdit_pipeline_free(pipeline);
  return 0;
}
