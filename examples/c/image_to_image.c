/* A picture that starts from another one, keeping more of it the lower the strength:
 *   build/bin/image_to_image_c picture.png "a red circle on a black background"                                            */
#include "example.h"

int main(int argc, char **argv) {
  const char *prompt = argc > 2 ? argv[2] : "a red circle on a black background";
  const double strengths[] = {0.2, 0.4, 0.8};
  const uint64_t seed = 1;
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;

  llmdit_pipeline *pipeline = NULL;
  llmdit_result *result = NULL;
  llmdit_image *image = NULL;
  must(llmdit_pipeline_load(&pipeline, NULL, NULL));
  if (argc > 1) {
    must(llmdit_image_read(&image, argv[1]));
  } else {
    must(llmdit_pipeline_generate(&result, pipeline, "a blue star on a white background", LLMDIT_NUL_TERMINATED, &options));
    must(llmdit_result_image(&image, result, 0));
    llmdit_result_free(result);
  }
  options.image = image;
  for (int i = 0; i < 3; ++i) {
    char path[64];
    snprintf(path, sizeof(path), "image_to_image_c-%.1f.png", strengths[i]);
    options.strength = &strengths[i];
    must(llmdit_pipeline_generate(&result, pipeline, prompt, LLMDIT_NUL_TERMINATED, &options));
    write_first(result, path);
    llmdit_result_free(result);
  }
  llmdit_image_free(image);
  llmdit_pipeline_free(pipeline);
  return 0;
}
