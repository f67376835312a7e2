/* Generates and frees again and again; the bytes in use stay the same. `make leaks` runs a thousand cycles. */
#include <malloc.h>
#include <unistd.h>

#include "check.h"

/* What malloc has given out and not got back; 0 under a sanitizer, which looks for leaks itself. */
static size_t bytes_in_use(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static long resident_kilobytes(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  EXPECT(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
  fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int see(const llmdit_step_info *info, void *payload) {
  llmdit_image *preview = NULL;
  EXPECT_OK(llmdit_pipeline_preview(&preview, payload, info->latents, 1));
  llmdit_image_free(preview);
  return 0;
}

static void generate(llmdit_pipeline *pipeline, uint64_t seed) {
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 1;
  options.seed = &seed;
  options.on_step = see;
  options.on_step_payload = pipeline;
  llmdit_result *result = NULL;
  llmdit_image *image = NULL;
  llmdit_tensor *latents = NULL, *shared = NULL;
  void *managed = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a red circle", LLMDIT_NUL_TERMINATED, &options));
  EXPECT_OK(llmdit_result_image(&image, result, 0));
  EXPECT_OK(llmdit_result_latents(&latents, result));
  EXPECT_OK(llmdit_tensor_to_dlpack(&managed, latents));
  EXPECT_OK(llmdit_tensor_from_dlpack(&shared, managed));
  llmdit_result_free(result);
  llmdit_tensor_free(latents);
  llmdit_tensor_free(shared);
  llmdit_image_free(image);
  options.num_inference_steps = 0;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "num_inference_steps");
}

/* The other handles: each is made, refused, freed. */
static void write_and_mix(const llmdit_pipeline *pipeline) {
  const char *prompt[] = {"a red circle"};
  const llmdit_texts prompts = {prompt, 1};
  llmdit_text_encoder *encoder = NULL;
  llmdit_chat *chat = NULL;
  llmdit_answer *answer = NULL;
  llmdit_encoding *encoding = NULL;
  llmdit_tensor *rows = NULL, *blended = NULL;
  llmdit_text *warnings = NULL;
  llmdit_statistics *statistics = NULL;
  llmdit_rewrite_options options;
  EXPECT_OK(llmdit_rewrite_options_init(&options));
  options.system_prompt = "Answer.";
  options.enable_thinking = false;
  options.max_new_tokens = 2;
  EXPECT_OK(llmdit_pipeline_text_encoder(&encoder, pipeline));
  EXPECT_OK(llmdit_chat_from_text_encoder(&chat, encoder));
  EXPECT_OK(llmdit_chat_ask(&answer, chat, prompt[0], LLMDIT_NUL_TERMINATED, &options));
  EXPECT_OK(llmdit_pipeline_encode(&encoding, pipeline, &prompts, NULL));
  EXPECT_OK(llmdit_encoding_embeddings(&rows, encoding, 0));
  EXPECT_OK(llmdit_blend(&blended, &warnings, rows, rows, NULL));
  const llmdit_tensor *list[] = {rows};
  EXPECT_OK(llmdit_statistics_compute(&statistics, list, 1, "demo", NULL));
  llmdit_answer_free(answer);
  EXPECT_ERROR(llmdit_chat_ask(&answer, (llmdit_chat *)rows, "x", 1, NULL), LLMDIT_INVALID_ARGUMENT, "another kind");
  EXPECT(answer == NULL);
  llmdit_statistics_free(statistics);
  llmdit_tensor_free(blended);
  llmdit_tensor_free(rows);
  llmdit_text_free(warnings);
  llmdit_encoding_free(encoding);
  llmdit_chat_free(chat);
  llmdit_text_encoder_free(encoder);
}

int main(int argc, char **argv) {
  const int cycles = argc > 1 ? atoi(argv[1]) : 40, warm_up = 10;
  llmdit_pipeline *pipeline = NULL, *other = NULL;
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  size_t before = 0;
  for (int i = 0; i < warm_up + cycles; ++i) {
    if (i == warm_up) before = bytes_in_use();
    if (i % (cycles / 4 + 1) == 0) printf("%5d cycles: %ld KB resident, %zu bytes in use\n", i, resident_kilobytes(), bytes_in_use());
    generate(pipeline, (uint64_t)i);
    write_and_mix(pipeline);
    if (i % 5 == 0) {
      EXPECT_OK(llmdit_pipeline_load(&other, NULL, NULL));
      llmdit_pipeline_free(other);
    }
  }
  const size_t after = bytes_in_use();
  printf("%5d cycles: %ld KB resident, %zu bytes in use\n", warm_up + cycles, resident_kilobytes(), after);
  llmdit_pipeline_free(pipeline);
  /* Less than one picture over all cycles. */
  EXPECT(after < before + 32 * 1024);
  return 0;
}
