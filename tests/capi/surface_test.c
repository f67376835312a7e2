/* Every function of llmdit.h, with good and with bad arguments, on the demo model. Run under address and leak sanitizer too. */
#include "check.h"

static llmdit_pipeline *pipeline;

static llmdit_generate_options quick_options(void) {
  static const uint64_t seed = 7;
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 2;
  options.seed = &seed;
  return options;
}

static llmdit_result *generate(const llmdit_generate_options *options) {
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a red circle", LLMDIT_NUL_TERMINATED, options));
  return result;
}

static void test_status(void) {
  EXPECT(strcmp(llmdit_status_name(LLMDIT_NOT_FOUND), "not_found") == 0);
  EXPECT(llmdit_abi_version() == LLMDIT_ABI_VERSION);
  EXPECT(strlen(llmdit_version()) > 0);
}

static void test_handles(void) {
  llmdit_pipeline *none = (llmdit_pipeline *)1;
  EXPECT_ERROR(llmdit_pipeline_load(&none, "/no/such/model", NULL), LLMDIT_NOT_FOUND, "/no/such/model");
  EXPECT(none == NULL);
  EXPECT_ERROR(llmdit_pipeline_load(NULL, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");

  llmdit_image *image = NULL;
  const uint8_t pixels[3] = {1, 2, 3};
  EXPECT_OK(llmdit_image_from_pixels(&image, pixels, 1, 1));
  /* Of another kind, never made, freed: refused and not followed. */
  EXPECT_ERROR(llmdit_pipeline_unload_loras((llmdit_pipeline *)image), LLMDIT_INVALID_ARGUMENT, "another kind");
  EXPECT(llmdit_result_image_count((const llmdit_result *)image) == 0);
  EXPECT_ERROR(llmdit_pipeline_unload_loras((llmdit_pipeline *)(uintptr_t)12345), LLMDIT_INVALID_ARGUMENT, "freed");
  llmdit_pipeline_free((llmdit_pipeline *)image);
  EXPECT(llmdit_image_width(image) == 1);
  llmdit_image_free(image);
  llmdit_image_free(image);
  EXPECT(llmdit_image_pixels(image) == NULL);
  llmdit_image *other = NULL;
  EXPECT_OK(llmdit_image_from_pixels(&other, pixels, 1, 1));
  EXPECT(other != image && llmdit_image_width(image) == 0); /* a number is never given twice */
  llmdit_image_free(other);
  llmdit_image_free(NULL);
  llmdit_text_free(NULL);
  llmdit_pipeline_free(NULL);
}

static void test_options(void) {
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  EXPECT(options.struct_size == sizeof(options) && options.num_inference_steps == 9 && options.width == NULL);
  EXPECT_ERROR(llmdit_generate_options_init(NULL), LLMDIT_INVALID_ARGUMENT, "NULL");

  /* Every option of the tables has its place in the structs, and says what it is. */
  for (int kind = LLMDIT_LOAD_OPTIONS; kind <= LLMDIT_CONVERT_OPTIONS; ++kind) {
    const size_t count = llmdit_option_count((llmdit_option_struct)kind);
    EXPECT(count >= 3);
    for (size_t i = 0; i < count; ++i) {
      llmdit_option_info info = {.struct_size = sizeof(info)};
      EXPECT_OK(llmdit_option_describe(&info, (llmdit_option_struct)kind, i));
      if (info.offset == 0) fprintf(stderr, "the option %s has no field in llmdit.h\n", info.name);
      EXPECT(info.offset > 0 && strlen(info.help) > 0);
      EXPECT((strcmp(info.kind, "choice") == 0) == (strlen(info.choices) > 0));
    }
    llmdit_option_info info = {.struct_size = sizeof(info)};
    EXPECT_ERROR(llmdit_option_describe(&info, (llmdit_option_struct)kind, count), LLMDIT_INVALID_ARGUMENT, "index");
  }
  EXPECT(llmdit_option_count((llmdit_option_struct)9) == 0);

  llmdit_result *result = NULL;
  options.num_inference_steps = 0;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT,
               "num_inference_steps");
  options = quick_options();
  options.vae_tiling = "sideways";
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "vae_tiling");
  options = quick_options();
  options.sigmas.count = 2;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "sigmas");
  options = quick_options();
  options.struct_size = 0;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "struct_size");
  options = quick_options();
  const unsigned char wild = 7;
  memcpy(&options.strip_quotes, &wild, 1);
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "true or false");
  options = quick_options();
  options.image = (const llmdit_image *)pipeline;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "llmdit_image");
  EXPECT(result == NULL);
}

/* A program of an older header knows fewer fields, one of a newer header more. */
static void test_struct_sizes(void) {
  struct newer {
    llmdit_generate_options options;
    int64_t unknown;
  } newer;
  EXPECT_OK(llmdit_generate_options_init_sized(&newer.options, sizeof(newer)));
  EXPECT(newer.options.struct_size == sizeof(newer) && newer.unknown == 0);
  newer.options.num_inference_steps = 1;
  llmdit_result *result = generate(&newer.options);
  llmdit_result_free(result);
  newer.unknown = 1;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &newer.options), LLMDIT_INVALID_ARGUMENT, "older");

  const size_t known = offsetof(llmdit_generate_options, seed), guarded = 8;
  unsigned char *older = malloc(known + guarded);
  EXPECT(older != NULL);
  memset(older, 0xAB, known + guarded);
  llmdit_generate_options *view = (llmdit_generate_options *)(void *)older;
  EXPECT_OK(llmdit_generate_options_init_sized(view, known));
  for (size_t i = 0; i < guarded; ++i) EXPECT(older[known + i] == 0xAB);
  const int64_t steps = 1;
  memcpy(older + offsetof(llmdit_generate_options, num_inference_steps), &steps, sizeof(steps));
  result = generate(view);
  llmdit_result_free(result);
  free(older);
}

static void test_tensors(void) {
  const float numbers[6] = {0, 1, 2, 3, 4, 5};
  const int64_t shape[2] = {2, 3};
  llmdit_tensor *tensor = NULL, *shared = NULL;
  EXPECT_OK(llmdit_tensor_from_buffer(&tensor, numbers, LLMDIT_FLOAT32, shape, 2));
  EXPECT(llmdit_tensor_dimensions(tensor) == 2 && llmdit_tensor_size(tensor, 1) == 3);
  EXPECT(llmdit_tensor_size(tensor, 2) == -1);
  llmdit_dtype dtype;
  EXPECT_OK(llmdit_tensor_dtype(&dtype, tensor));
  EXPECT(dtype == LLMDIT_FLOAT32);
  EXPECT(memcmp(llmdit_tensor_data(tensor, LLMDIT_FLOAT32), numbers, sizeof(numbers)) == 0);
  EXPECT(llmdit_tensor_data(tensor, LLMDIT_INT64) == NULL);
  double wide[6];
  EXPECT_OK(llmdit_tensor_copy(wide, sizeof(wide), tensor, LLMDIT_FLOAT64));
  EXPECT(wide[5] == 5);
  EXPECT_ERROR(llmdit_tensor_copy(wide, 8, tensor, LLMDIT_FLOAT64), LLMDIT_INVALID_ARGUMENT, "48 bytes");

  /* Through DLPack nothing is copied, and the numbers outlive the handle. */
  void *managed = NULL;
  const void *data = llmdit_tensor_data(tensor, LLMDIT_FLOAT32);
  EXPECT_OK(llmdit_tensor_to_dlpack(&managed, tensor));
  llmdit_tensor_free(tensor);
  EXPECT_OK(llmdit_tensor_from_dlpack(&shared, managed));
  EXPECT(llmdit_tensor_data(shared, LLMDIT_FLOAT32) == data);
  llmdit_tensor_free(shared);

  const int64_t huge[2] = {INT64_MAX, 2}, negative[1] = {-1};
  EXPECT_ERROR(llmdit_tensor_from_buffer(&tensor, numbers, LLMDIT_FLOAT32, huge, 2), LLMDIT_INVALID_ARGUMENT, "memory");
  EXPECT_ERROR(llmdit_tensor_from_buffer(&tensor, numbers, LLMDIT_FLOAT32, negative, 1), LLMDIT_INVALID_ARGUMENT, "-1");
  EXPECT_ERROR(llmdit_tensor_from_buffer(&tensor, NULL, LLMDIT_FLOAT32, shape, 2), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_tensor_from_buffer(&tensor, numbers, (llmdit_dtype)77, shape, 2), LLMDIT_INVALID_ARGUMENT, "77");
  EXPECT_ERROR(llmdit_tensor_from_buffer(&tensor, numbers, LLMDIT_FLOAT32, shape, 99), LLMDIT_INVALID_ARGUMENT, "99");
  EXPECT_ERROR(llmdit_tensor_from_dlpack(&tensor, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(tensor == NULL);
}

static void test_text(void) {
  llmdit_text *text = NULL;
  EXPECT_OK(llmdit_format_prompt(&text, "a cat and more", 5, NULL));
  EXPECT(strcmp(llmdit_text_data(text), "<|im_start|>user\na cat<|im_end|>\n<|im_start|>assistant\n") == 0);
  EXPECT(llmdit_text_length(text) == strlen(llmdit_text_data(text)));
  llmdit_text_free(text);
  EXPECT_ERROR(llmdit_format_prompt(&text, NULL, 0, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");

  llmdit_tokenizer *tokenizer = NULL;
  EXPECT_OK(llmdit_pipeline_tokenizer(&tokenizer, pipeline));
  size_t count = 0;
  EXPECT_OK(llmdit_tokenizer_encode(NULL, &count, tokenizer, "a red circle", LLMDIT_NUL_TERMINATED));
  EXPECT(count > 0 && count < 16);
  int64_t ids[16];
  size_t room = 1;
  EXPECT_ERROR(llmdit_tokenizer_encode(ids, &room, tokenizer, "a red circle", LLMDIT_NUL_TERMINATED),
               LLMDIT_INVALID_ARGUMENT, "room");
  EXPECT(room == count);
  EXPECT_OK(llmdit_tokenizer_encode(ids, &room, tokenizer, "a red circle", LLMDIT_NUL_TERMINATED));
  EXPECT_OK(llmdit_tokenizer_decode(&text, tokenizer, ids, count, false));
  EXPECT(strcmp(llmdit_text_data(text), "a red circle") == 0);
  llmdit_text_free(text);
  llmdit_tokenizer_free(tokenizer);
  EXPECT_ERROR(llmdit_tokenizer_load(&tokenizer, "/no/such"), LLMDIT_NOT_FOUND, "/no/such");

  EXPECT_OK(llmdit_device_names(&text));
  EXPECT(strncmp(llmdit_text_data(text), "cpu", 3) == 0);
  llmdit_text_free(text);
  EXPECT_OK(llmdit_demo_model_path(&text));
  EXPECT(llmdit_text_length(text) > 0);
  llmdit_text_free(text);
}

static void test_pictures(const char *folder) {
  const llmdit_generate_options options = quick_options();
  llmdit_result *result = generate(&options);
  EXPECT(llmdit_result_image_count(result) == 1);
  llmdit_image *image = NULL, *again = NULL;
  EXPECT_OK(llmdit_result_image(&image, result, 0));
  EXPECT_ERROR(llmdit_result_image(&again, result, 1), LLMDIT_INVALID_ARGUMENT, "below 1");
  uint64_t seed = 0;
  EXPECT_OK(llmdit_result_seed(&seed, result, 0));
  EXPECT(seed == 7);
  llmdit_timings timings = {.struct_size = sizeof(timings)};
  EXPECT_OK(llmdit_result_timings(&timings, result));
  EXPECT(timings.total > 0 && timings.total >= timings.denoise);
  EXPECT(llmdit_result_warning(result, 1000) == NULL);
  llmdit_tensor *latents = NULL, *pixels = NULL;
  EXPECT_OK(llmdit_result_latents(&latents, result));
  EXPECT_ERROR(llmdit_result_pixels(&pixels, result), LLMDIT_INVALID_ARGUMENT, "output_type");
  llmdit_result_free(result); /* the picture outlives it */

  const int64_t width = llmdit_image_width(image), height = llmdit_image_height(image);
  EXPECT(width == 128 && height == 128);
  char path[1024];
  snprintf(path, sizeof(path), "%s/capi.png", folder);
  EXPECT_OK(llmdit_image_write(image, path));
  EXPECT_OK(llmdit_image_read(&again, path));
  EXPECT(memcmp(llmdit_image_pixels(image), llmdit_image_pixels(again), (size_t)(width * height * 3)) == 0);
  llmdit_image_free(again);
  EXPECT_OK(llmdit_image_write_png(image, path));
  EXPECT_ERROR(llmdit_image_write(image, "/no/such/folder/a.png"), LLMDIT_NOT_FOUND, "/no/such/folder");
  EXPECT_ERROR(llmdit_image_write(image, "a.xyz"), LLMDIT_INVALID_ARGUMENT, "xyz");
  EXPECT_OK(llmdit_image_resize(&again, image, 64, 32));
  EXPECT(llmdit_image_width(again) == 64);
  llmdit_image_free(again);
  EXPECT_ERROR(llmdit_image_decode(&again, (const uint8_t *)"no picture", 10), LLMDIT_UNSUPPORTED, "");
  EXPECT_ERROR(llmdit_image_from_pixels(&again, llmdit_image_pixels(image), INT64_MAX, INT64_MAX),
               LLMDIT_INVALID_ARGUMENT, "pixels");

  /* Decoding its latents gives the same picture. */
  EXPECT_OK(llmdit_pipeline_decode(&pixels, pipeline, latents, NULL));
  const float *decoded = llmdit_tensor_data(pixels, LLMDIT_FLOAT32);
  EXPECT(llmdit_tensor_size(pixels, 3) == 128);
  const float red = decoded[0] * 255, difference = red - (float)llmdit_image_pixels(image)[0];
  EXPECT(difference > -1 && difference < 1);
  llmdit_tensor_free(pixels);
  EXPECT_OK(llmdit_pipeline_preview(&again, pipeline, latents, 2));
  EXPECT(llmdit_image_width(again) == 32);
  llmdit_image_free(again);

  /* From a picture; with a mask; from latents. */
  llmdit_generate_options from = quick_options();
  from.image = image;
  result = generate(&from);
  llmdit_result_free(result);
  from.mask_image = image;
  result = generate(&from);
  llmdit_result_free(result);
  llmdit_generate_options resumed = quick_options();
  resumed.latents = latents;
  resumed.output_type = "tensor";
  result = generate(&resumed);
  EXPECT_OK(llmdit_result_pixels(&pixels, result));
  EXPECT_ERROR(llmdit_result_seed(&seed, result, 0), LLMDIT_NOT_FOUND, "seeds");
  llmdit_tensor_free(pixels);
  llmdit_result_free(result);
  llmdit_tensor_free(latents);
  llmdit_image_free(image);
}

static void test_embeddings(void) {
  const char *prompts[2] = {"a red circle", "a blue star on white"};
  const llmdit_texts list = {prompts, 2};
  llmdit_encoding *encoding = NULL;
  EXPECT_OK(llmdit_pipeline_encode(&encoding, pipeline, &list, NULL));
  EXPECT(llmdit_encoding_count(encoding) == 2);
  EXPECT(strstr(llmdit_encoding_formatted_prompt(encoding, 1), "a blue star") != NULL);
  EXPECT(llmdit_encoding_formatted_prompt(encoding, 2) == NULL);
  llmdit_tensor *embeds = NULL;
  EXPECT_OK(llmdit_encoding_embeddings(&embeds, encoding, 0));
  llmdit_encoding_free(encoding);

  /* The picture from embeddings is that from the prompt. */
  llmdit_generate_options options = quick_options();
  llmdit_result *expected = generate(&options), *result = NULL;
  const llmdit_tensor *given[1] = {embeds};
  options.prompt_embeds = given;
  options.prompt_embeds_count = 1;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, NULL, 0, &options));
  llmdit_image *a = NULL, *b = NULL;
  EXPECT_OK(llmdit_result_image(&a, expected, 0));
  EXPECT_OK(llmdit_result_image(&b, result, 0));
  EXPECT(memcmp(llmdit_image_pixels(a), llmdit_image_pixels(b), 128 * 128 * 3) == 0);
  llmdit_image_free(a);
  llmdit_image_free(b);
  llmdit_result_free(expected);
  llmdit_result_free(result);
  llmdit_tensor_free(embeds);

  EXPECT_OK(llmdit_pipeline_generate_batch(&result, pipeline, &list, NULL));
  EXPECT(llmdit_result_image_count(result) == 2);
  llmdit_result_free(result);
  const char *holes[2] = {"a", NULL};
  const llmdit_texts broken = {holes, 2};
  EXPECT_ERROR(llmdit_pipeline_generate_batch(&result, pipeline, &broken, NULL), LLMDIT_INVALID_ARGUMENT, "index 1");
}

struct seen {
  int64_t steps;
  int64_t stop_at;
  llmdit_cancellation *cancellation;
};

static int on_step(const llmdit_step_info *info, void *payload) {
  struct seen *seen = payload;
  ++seen->steps;
  EXPECT(info->total == 2 && llmdit_tensor_dimensions(info->latents) == 4);
  llmdit_image *preview = NULL;
  EXPECT_OK(llmdit_pipeline_preview(&preview, pipeline, info->latents, 1));
  llmdit_image_free(preview);
  if (seen->cancellation) EXPECT_OK(llmdit_cancellation_request(seen->cancellation));
  return info->step + 1 == seen->stop_at;
}

static void test_callbacks(void) {
  struct seen seen = {0, 0, NULL};
  llmdit_generate_options options = quick_options();
  options.on_step = on_step;
  options.on_step_payload = &seen;
  llmdit_result *result = generate(&options);
  EXPECT(seen.steps == 2);
  llmdit_result_free(result);

  seen.stop_at = 1;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_CANCELLED, "");
  EXPECT(result == NULL && seen.steps == 3);

  seen.stop_at = 0;
  EXPECT_OK(llmdit_cancellation_create(&seen.cancellation));
  options.cancellation = seen.cancellation;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_CANCELLED, "");
  llmdit_cancellation_free(seen.cancellation);

  const llmdit_generate_options plain = quick_options(); /* the pipeline works on */
  result = generate(&plain);
  llmdit_result_free(result);
}

static void test_loras(const char *lora) {
  llmdit_lora_report *report = NULL;
  EXPECT_OK(llmdit_pipeline_load_lora(&report, pipeline, lora, 0.5, true));
  EXPECT(llmdit_lora_report_applied_count(report) > 0 && llmdit_lora_report_unused_count(report) == 0);
  EXPECT(strlen(llmdit_lora_report_applied(report, 0)) > 0);
  EXPECT(llmdit_lora_report_unused_key(report, 0) == NULL && llmdit_lora_report_unused_reason(report, 0) == NULL);
  llmdit_lora_report_free(report);
  EXPECT_OK(llmdit_pipeline_unload_loras(pipeline));
  EXPECT_ERROR(llmdit_pipeline_load_lora(NULL, pipeline, "/no/such.safetensors", 1, false), LLMDIT_NOT_FOUND, "no/such");

  const char *loras[1] = {lora};
  llmdit_load_options options;
  EXPECT_OK(llmdit_load_options_init(&options));
  options.lora.values = loras;
  options.lora.count = 1;
  options.dtype = "float32";
  llmdit_pipeline *other = NULL;
  EXPECT_OK(llmdit_pipeline_load(&other, NULL, &options));
  llmdit_pipeline_free(other);
  options.dtype = "float31";
  EXPECT_ERROR(llmdit_pipeline_load(&other, NULL, &options), LLMDIT_INVALID_ARGUMENT, "float31");
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s OUTPUT_FOLDER LORA\n", argv[0]);
    return 2;
  }
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  test_status();
  test_handles();
  test_options();
  test_struct_sizes();
  test_tensors();
  test_text();
  test_pictures(argv[1]);
  test_embeddings();
  test_callbacks();
  test_loras(argv[2]);
  llmdit_pipeline_free(pipeline);
  return 0;
}
