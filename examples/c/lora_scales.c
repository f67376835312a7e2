/* The same picture with a LoRA at several scales; unloading gives the first one back, bit for bit:
 *   build/bin/lora_scales_c                                                                                                */
#include "example.h"

int main(void) {
  const double scales[] = {0.0, 0.5, 1.0};
  const uint64_t seed = 1;
  llmdit_generate_options options;
  must(llmdit_generate_options_init(&options));
  options.num_inference_steps = 8;
  options.seed = &seed;

  llmdit_text *model = NULL;
  llmdit_pipeline *pipeline = NULL;
  must(llmdit_demo_model_path(&model));
  must(llmdit_pipeline_load(&pipeline, NULL, NULL));
  char lora[4096];
  snprintf(lora, sizeof(lora), "%s/loras/neon.safetensors", llmdit_text_data(model));
  for (int i = 0; i < 3; ++i) {
    char path[64];
    llmdit_lora_report *report = NULL;
    llmdit_result *result = NULL;
    must(llmdit_pipeline_load_lora(&report, pipeline, lora, scales[i], true));
    printf("%zu weights changed: ", llmdit_lora_report_applied_count(report));
    must(llmdit_pipeline_generate(&result, pipeline, "a green triangle", LLMDIT_NUL_TERMINATED, &options));
    snprintf(path, sizeof(path), "lora_scales_c-%.1f.png", scales[i]);
    write_first(result, path);
    must(llmdit_pipeline_unload_loras(pipeline));
    llmdit_lora_report_free(report);
    llmdit_result_free(result);
  }
  llmdit_text_free(model);
  llmdit_pipeline_free(pipeline);
  return 0;
}
