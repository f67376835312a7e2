/* What handles promise: memory that is shared, one for all sizes, and threads that stop or free what others use. */
#include <pthread.h>

#include "check.h"

static llmdit_pipeline *pipeline;

static llmdit_result *draw(int64_t width, int64_t height, int64_t steps) {
  static const uint64_t seed = 5;
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.width = &width;
  options.height = &height;
  options.num_inference_steps = steps;
  options.seed = &seed;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a red circle", LLMDIT_NUL_TERMINATED, &options));
  return result;
}

static void test_sharing(void) {
  llmdit_result *result = draw(64, 64, 1);
  llmdit_image *image[2] = {NULL, NULL};
  llmdit_tensor *latents[2] = {NULL, NULL}, *imported = NULL;
  void *managed = NULL;
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(llmdit_result_image(&image[i], result, 0));
    EXPECT_OK(llmdit_result_latents(&latents[i], result));
  }
  const void *data = llmdit_tensor_data(latents[0], LLMDIT_FLOAT32);
  EXPECT(data != NULL && llmdit_tensor_data(latents[1], LLMDIT_FLOAT32) == data);
  EXPECT(llmdit_image_pixels(image[0]) == llmdit_image_pixels(image[1]));
  EXPECT_OK(llmdit_tensor_to_dlpack(&managed, latents[0]));
  EXPECT_OK(llmdit_tensor_from_dlpack(&imported, managed));
  EXPECT(llmdit_tensor_data(imported, LLMDIT_FLOAT32) == data);
  llmdit_result_free(result);
  llmdit_image_free(image[0]);
  EXPECT(llmdit_image_pixels(image[1]) != NULL && llmdit_tensor_data(imported, LLMDIT_FLOAT32) == data);
  llmdit_image_free(image[1]);
  llmdit_tensor_free(latents[0]);
  llmdit_tensor_free(latents[1]);
  llmdit_tensor_free(imported);
}

/* One handle for one size after the other; and what was changed for a picture is told. */
static void test_one_handle_for_all(void) {
  static const int64_t sizes[][2] = {{64, 64}, {96, 32}, {32, 128}, {64, 64}};
  llmdit_image *image[4];
  for (int i = 0; i < 4; ++i) {
    llmdit_result *result = draw(sizes[i][0], sizes[i][1], 2);
    EXPECT_OK(llmdit_result_image(&image[i], result, 0));
    EXPECT(llmdit_image_width(image[i]) == sizes[i][0] && llmdit_image_height(image[i]) == sizes[i][1]);
    llmdit_result_free(result);
  }
  EXPECT(memcmp(llmdit_image_pixels(image[0]), llmdit_image_pixels(image[3]), 64 * 64 * 3) == 0);
  for (int i = 0; i < 4; ++i) llmdit_image_free(image[i]);

  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  const int64_t few = 32;
  options.max_text_tokens = &few;
  options.num_inference_steps = 1;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline,
                                     "a red circle left of a blue star above a green ring right of a purple heart below a "
                                     "yellow square on a white background with a black border and nothing else",
                                     LLMDIT_NUL_TERMINATED, &options));
  EXPECT(llmdit_result_warning_count(result) == 1 && strstr(llmdit_result_warning(result, 0), "32") != NULL);
  llmdit_prompt_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_result_describe_prompt(&info, result, 0));
  EXPECT(info.compression_ratio > 1);
  llmdit_result_free(result);
}

/* A call on a thread of its own, which tells that its first step is done and waits until it may go on. */
struct call {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool started, may_go_on;
  llmdit_pipeline *pipeline;
  llmdit_cancellation *cancellation;
  int64_t steps;
  llmdit_status status;
  char said[256];
};

static int wait_after_the_first(const llmdit_step_info *info, void *payload) {
  struct call *call = payload;
  ++call->steps;
  if (info->step > 0) return 0;
  pthread_mutex_lock(&call->mutex);
  call->started = true;
  pthread_cond_broadcast(&call->changed);
  while (!call->may_go_on) pthread_cond_wait(&call->changed, &call->mutex);
  pthread_mutex_unlock(&call->mutex);
  return 0;
}

static void *run_call(void *payload) {
  struct call *call = payload;
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 4;
  options.on_step = wait_after_the_first;
  options.on_step_payload = call;
  options.cancellation = call->cancellation;
  llmdit_result *result = NULL;
  call->status = llmdit_pipeline_generate(&result, call->pipeline, "a red circle", LLMDIT_NUL_TERMINATED, &options);
  EXPECT((call->status == LLMDIT_OK) == (result != NULL));
  snprintf(call->said, sizeof(call->said), "%s", call->status == LLMDIT_OK ? "" : llmdit_last_error());
  llmdit_result_free(result);
  return NULL;
}

/* Starts the call, does something to it from this thread, and lets it end. */
static void during(struct call *call, void (*act)(struct call *call)) {
  pthread_t thread;
  EXPECT(pthread_mutex_init(&call->mutex, NULL) == 0 && pthread_cond_init(&call->changed, NULL) == 0);
  EXPECT(pthread_create(&thread, NULL, run_call, call) == 0);
  pthread_mutex_lock(&call->mutex);
  while (!call->started) pthread_cond_wait(&call->changed, &call->mutex);
  act(call);
  call->may_go_on = true;
  pthread_cond_broadcast(&call->changed);
  pthread_mutex_unlock(&call->mutex);
  EXPECT(pthread_join(thread, NULL) == 0);
  pthread_cond_destroy(&call->changed);
  pthread_mutex_destroy(&call->mutex);
}

static void request(struct call *call) { EXPECT_OK(llmdit_cancellation_request(call->cancellation)); }

static void free_all(struct call *call) {
  llmdit_pipeline_free(call->pipeline);
  llmdit_cancellation_free(call->cancellation);
}

static void test_threads(void) {
  struct call stopped = {.pipeline = pipeline};
  EXPECT_OK(llmdit_cancellation_create(&stopped.cancellation));
  during(&stopped, request);
  EXPECT(stopped.status == LLMDIT_CANCELLED && stopped.steps == 1 && strlen(stopped.said) > 0);
  run_call(&stopped); /* what has been requested stops later calls before their first step */
  EXPECT(stopped.status == LLMDIT_CANCELLED && stopped.steps == 1);
  llmdit_cancellation_free(stopped.cancellation);

  struct call freed = {.pipeline = NULL};
  EXPECT_OK(llmdit_pipeline_load(&freed.pipeline, NULL, NULL));
  EXPECT_OK(llmdit_cancellation_create(&freed.cancellation));
  during(&freed, free_all);
  EXPECT(freed.status == LLMDIT_OK && freed.steps == 4);
  EXPECT_ERROR(llmdit_pipeline_unload_loras(freed.pipeline), LLMDIT_INVALID_ARGUMENT, "freed");
}

int main(void) {
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  test_sharing();
  test_one_handle_for_all();
  test_threads();
  llmdit_pipeline_free(pipeline);
  return 0;
}
