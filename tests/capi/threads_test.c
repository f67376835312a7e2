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

static void *draw_all(void *payload) {
  llmdit_image **images = payload;
  for (uint64_t i = 0; i < pictures_each; ++i) images[i] = draw(i);
  /* Errors of threads do not mix. */
  llmdit_image *none = NULL;
  EXPECT_ERROR(llmdit_image_read(&none, "/no/such.png"), LLMDIT_NOT_FOUND, "/no/such.png");
  return NULL;
}

int main(void) {
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  llmdit_image *expected[pictures_each];
  for (uint64_t i = 0; i < pictures_each; ++i) expected[i] = draw(i);

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
  llmdit_pipeline_free(pipeline);
  return 0;
}
