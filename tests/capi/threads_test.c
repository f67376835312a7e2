/* One pipeline from eight threads: each picture is the one that a single thread makes; a handle freed meanwhile does no harm. */
#include <pthread.h>

#include "check.h"

enum { thread_count = 8, pictures_each = 20, picture_bytes = 128 * 128 * 3 };

static llmdit_pipeline *pipeline;

static llmdit_image *draw(uint64_t seed) {
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 1;
  options.seed = &seed;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a blue square", LLMDIT_NUL_TERMINATED, &options));
  llmdit_image *image = NULL;
  EXPECT_OK(llmdit_result_image(&image, result, 0));
  llmdit_result_free(result);
  return image;
}

/* What the language model writes, which the caller frees. */
static llmdit_generated_text *write_text(llmdit_generated_text_info *info) {
  llmdit_text_encoder *encoder = NULL;
  llmdit_generated_text *text = NULL;
  llmdit_text_options options;
  EXPECT_OK(llmdit_text_options_init(&options));
  options.max_new_tokens = 4;
  options.temperature = 0;
  EXPECT_OK(llmdit_pipeline_text_encoder(&encoder, pipeline));
  EXPECT_OK(llmdit_text_encoder_generate(&text, encoder, "a blue square", LLMDIT_NUL_TERMINATED, &options));
  llmdit_text_encoder_free(encoder);
  EXPECT_OK(llmdit_generated_text_describe(info, text));
  return text;
}

static llmdit_generated_text_info expected_text = {.struct_size = sizeof(expected_text)};

static void *draw_all(void *payload) {
  llmdit_image **images = payload;
  for (uint64_t i = 0; i < pictures_each; ++i) images[i] = draw(i);
  llmdit_generated_text_info info = {.struct_size = sizeof(info)};
  llmdit_generated_text *text = write_text(&info);
  EXPECT(strcmp(info.text, expected_text.text) == 0);
  llmdit_generated_text_free(text);
  /* Errors of threads do not mix. */
  llmdit_image *none = NULL;
  EXPECT_ERROR(llmdit_image_read(&none, "/no/such.png"), LLMDIT_NOT_FOUND, "/no/such.png");
  return NULL;
}

int main(void) {
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  llmdit_image *expected[pictures_each];
  for (uint64_t i = 0; i < pictures_each; ++i) expected[i] = draw(i);

  llmdit_generated_text *text = write_text(&expected_text);

  pthread_t threads[thread_count];
  static llmdit_image *images[thread_count][pictures_each];
  for (int t = 0; t < thread_count; ++t) EXPECT(pthread_create(&threads[t], NULL, draw_all, images[t]) == 0);
  for (int t = 0; t < thread_count; ++t) EXPECT(pthread_join(threads[t], NULL) == 0);
  for (int t = 0; t < thread_count; ++t) {
    for (int i = 0; i < pictures_each; ++i) {
      EXPECT(memcmp(llmdit_image_pixels(images[t][i]), llmdit_image_pixels(expected[i]), picture_bytes) == 0);
      llmdit_image_free(images[t][i]);
    }
  }
  for (int i = 0; i < pictures_each; ++i) llmdit_image_free(expected[i]);
  llmdit_generated_text_free(text);
  llmdit_pipeline_free(pipeline);
  return 0;
}
