/* Draws with the demo model of the installation and prints where that lies. */
#include <llmdit.h>
#include <stdio.h>

int main(int argc, char **argv) {
  const uint64_t seed = 1;
  llmdit_pipeline *pipeline = NULL;
  llmdit_result *result = NULL;
  llmdit_image *image = NULL;
  llmdit_text *folder = NULL;
  llmdit_generate_options options;
  if (argc != 2 || llmdit_generate_options_init(&options) != LLMDIT_OK) return 2;
  options.num_inference_steps = 4;
  options.seed = &seed;
  options.template_name = "low-poly-facets";
  const int failed = llmdit_pipeline_load(&pipeline, NULL, NULL) != LLMDIT_OK ||
                     llmdit_pipeline_generate(&result, pipeline, "a red circle", LLMDIT_NUL_TERMINATED, &options) != LLMDIT_OK ||
                     llmdit_result_image(&image, result, 0) != LLMDIT_OK || llmdit_image_write_png(image, argv[1]) != LLMDIT_OK ||
                     llmdit_demo_model_path(&folder) != LLMDIT_OK;
  if (failed) {
    fprintf(stderr, "%s\n", llmdit_last_error());
  } else {
    puts(llmdit_text_data(folder));
  }
  llmdit_text_free(folder);
  llmdit_image_free(image);
  llmdit_result_free(result);
  llmdit_pipeline_free(pipeline);
  return failed;
}
