/* What every call refuses, and how: numbers that are no enumeration's, files that are no such files, sizes of structs, too much memory. */
#include <limits.h>

#include "check.h"

/* What no machine can give is refused, and not fatal under the address sanitizer either. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

static llmdit_pipeline *pipeline;

static llmdit_tensor *numbers;
static const float two_numbers[2] = {1, 2};
static const int64_t two[1] = {2};

static bool accepts_buffer(int number) {
  llmdit_tensor *tensor = NULL;
  const double room[2] = {0, 0};
  const bool accepted = llmdit_tensor_from_buffer(&tensor, room, (llmdit_dtype)number, two, 1) == LLMDIT_OK;
  llmdit_dtype dtype = LLMDIT_FLOAT32;
  if (accepted) EXPECT_OK(llmdit_tensor_dtype(&dtype, tensor));
  EXPECT(accepted == (tensor != NULL) && (!accepted || (int)dtype == number));
  llmdit_tensor_free(tensor);
  return accepted;
}

static bool accepts_copy(int number) {
  static const size_t sizes[] = {4, 2, 2, 8, 8, 1};
  double room[2];
  const size_t size = number >= 0 && number < 6 ? 2 * sizes[number] : sizeof(room);
  return llmdit_tensor_copy(room, size, numbers, (llmdit_dtype)number) == LLMDIT_OK;
}

static bool accepts_data(int number) {
  llmdit_tensor *tensor = NULL;
  if (number < 0 || number > 5) return llmdit_tensor_data(numbers, (llmdit_dtype)number) != NULL;
  EXPECT_OK(llmdit_tensor_from_buffer(&tensor, two_numbers, (llmdit_dtype)number, two, 0));
  const bool accepted = llmdit_tensor_data(tensor, (llmdit_dtype)number) != NULL;
  llmdit_tensor_free(tensor);
  return accepted;
}

static bool accepts_count(int number) { return llmdit_option_count((llmdit_option_struct)number) > 0; }

static bool accepts_describe(int number) {
  llmdit_option_info info = {.struct_size = sizeof(info)};
  return llmdit_option_describe(&info, (llmdit_option_struct)number, 0) == LLMDIT_OK;
}

static bool accepts_status(int number) {
  return strcmp(llmdit_status_name((llmdit_status)number), "unknown") != 0;
}

static void test_enumerations(void) {
  static const struct {
    bool (*accepts)(int number);
    int names;
    const char *field, *first, *last;
  } places[] = {
      {accepts_buffer, 6, "dtype", "LLMDIT_FLOAT32 (0)", "LLMDIT_UINT8 (5)"},
      {accepts_copy, 6, "dtype", "LLMDIT_FLOAT32 (0)", "LLMDIT_UINT8 (5)"},
      {accepts_data, 6, "dtype", "LLMDIT_FLOAT32 (0)", "LLMDIT_UINT8 (5)"},
      {accepts_count, 7, "options", "LLMDIT_LOAD_OPTIONS (0)", "LLMDIT_CONVERT_OPTIONS (6)"},
      {accepts_describe, 7, "options", "LLMDIT_LOAD_OPTIONS (0)", "LLMDIT_CONVERT_OPTIONS (6)"},
      {accepts_status, 7, NULL, NULL, NULL},
  };
  EXPECT(sizeof(llmdit_status) == sizeof(int) && sizeof(llmdit_dtype) == sizeof(int));
  EXPECT(sizeof(llmdit_option_struct) == sizeof(int) && sizeof(llmdit_finish_reason) == sizeof(int));
  EXPECT_OK(llmdit_tensor_from_buffer(&numbers, two_numbers, LLMDIT_FLOAT32, two, 1));
  for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); ++p) {
    for (int number = 0; number < places[p].names; ++number) EXPECT(places[p].accepts(number));
    const int strangers[] = {places[p].names, -1, 77, 256, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); ++i) {
      EXPECT(!places[p].accepts(strangers[i]));
      if (places[p].field == NULL) continue;
      char got[32], expected[64];
      snprintf(expected, sizeof(expected), "expected %s to be one of ", places[p].field);
      snprintf(got, sizeof(got), ", got %d", strangers[i]);
      const char *said = llmdit_last_error();
      EXPECT(strstr(said, expected) && strstr(said, got) && strstr(said, places[p].first) && strstr(said, places[p].last));
    }
  }
  llmdit_tensor_free(numbers);
}

static llmdit_status read_picture(const char *path) {
  llmdit_image *image = NULL;
  const llmdit_status status = llmdit_image_read(&image, path);
  EXPECT(image == NULL);
  return status;
}

static llmdit_status read_metadata(const char *path) {
  llmdit_text *text = NULL;
  const llmdit_status status = llmdit_image_read_metadata(&text, path, "llmdit");
  EXPECT(text == NULL);
  return status;
}

static llmdit_status load_pipeline(const char *path) {
  llmdit_pipeline *loaded = NULL;
  const llmdit_status status = llmdit_pipeline_load(&loaded, path, NULL);
  EXPECT(loaded == NULL);
  return status;
}

static llmdit_status load_text_encoder(const char *path) {
  llmdit_text_encoder *encoder = NULL;
  const llmdit_status status = llmdit_text_encoder_load(&encoder, path, NULL);
  EXPECT(encoder == NULL);
  return status;
}

static llmdit_status load_vl_encoder(const char *path) {
  llmdit_vl_encoder *encoder = NULL;
  const llmdit_status status = llmdit_vl_encoder_load(&encoder, path, NULL, 0);
  EXPECT(encoder == NULL);
  return status;
}

static llmdit_status read_templates(const char *path) {
  llmdit_templates *templates = NULL;
  const llmdit_status status = llmdit_templates_read(&templates, path);
  EXPECT(templates == NULL);
  return status;
}

static llmdit_status load_lora(const char *path) {
  llmdit_lora_report *report = NULL;
  const llmdit_status status = llmdit_pipeline_load_lora(&report, pipeline, path, 1, false);
  EXPECT(report == NULL);
  return status;
}

static llmdit_status load_tokenizer(const char *path) {
  llmdit_tokenizer *tokenizer = NULL;
  const llmdit_status status = llmdit_tokenizer_load(&tokenizer, path);
  EXPECT(tokenizer == NULL);
  return status;
}

static llmdit_status load_statistics(const char *path) {
  llmdit_statistics *statistics = NULL;
  const llmdit_status status = llmdit_statistics_load(&statistics, path);
  EXPECT(statistics == NULL);
  return status;
}

static llmdit_status load_encoding(const char *path) {
  llmdit_encoding *encoding = NULL;
  const llmdit_status status = llmdit_encoding_load(&encoding, path);
  EXPECT(encoding == NULL);
  return status;
}

static llmdit_status inspect(const char *path) {
  llmdit_text *json = NULL;
  const llmdit_status status = llmdit_inspect(&json, path, true);
  EXPECT(json == NULL);
  return status;
}

static llmdit_status convert(const char *path) {
  return llmdit_convert_weights(NULL, NULL, path, "never_written.safetensors", NULL);
}

static void test_files(const char *folder) {
  static const struct {
    const char *suffix;
    llmdit_status (*read)(const char *path);
  } readers[] = {
      {"png", read_picture},          {"webp", read_metadata},            {"safetensors", load_pipeline},
      {"gguf", load_pipeline},        {"safetensors", load_text_encoder}, {"safetensors", load_lora},
      {"json", load_tokenizer},       {"model", load_tokenizer},          {"npz", load_statistics},
      {"json", load_statistics},      {"safetensors", load_encoding},     {"safetensors", inspect},
      {"gguf", inspect},              {"gguf", convert},                  {"safetensors", convert},
  };
  /* Nothing; words; headers of each kind that promise more than there is. */
  static const struct {
    const char *bytes;
    size_t size;
  } contents[] = {{"", 0},
                  {"no such file", 12},
                  {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16},
                  {"RIFF\xff\xff\xff\x7fWEBPVP8 ", 16},
                  {"\xff\xff\xff\xff\xff\xff\xff\x7f{\"a\":", 13},
                  {"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16},
                  {"PK\x03\x04\xff\xff\xff\xff", 8},
                  {"{\"model\": {\"type\":", 18}};
  for (size_t r = 0; r < sizeof(readers) / sizeof(readers[0]); ++r) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/damaged.%s", folder, readers[r].suffix);
    for (size_t c = 0; c < sizeof(contents) / sizeof(contents[0]); ++c) {
      FILE *file = fopen(path, "wb");
      EXPECT(file != NULL && fwrite(contents[c].bytes, 1, contents[c].size, file) == contents[c].size);
      EXPECT(fclose(file) == 0);
      const llmdit_status status = readers[r].read(path);
      if (status != LLMDIT_UNSUPPORTED)
        fprintf(stderr, "reader %zu, content %zu: %s: %s\n", r, c, llmdit_status_name(status), llmdit_last_error());
      EXPECT(status == LLMDIT_UNSUPPORTED && strstr(llmdit_last_error(), "damaged") != NULL);
    }
    EXPECT(remove(path) == 0);
    EXPECT_ERROR(readers[r].read(path), LLMDIT_NOT_FOUND, "damaged");
  }
}

/* Paths that no system takes. */
static void test_long_paths(void) {
  static llmdit_status (*const readers[])(const char *path) = {
      read_picture,   read_metadata,  load_pipeline,   load_text_encoder, load_vl_encoder, load_lora,
      load_tokenizer, read_templates, load_statistics, load_encoding,     inspect,         convert,
  };
  static const size_t lengths[] = {300, 5000};
  for (size_t r = 0; r < sizeof(readers) / sizeof(readers[0]); ++r) {
    for (size_t i = 0; i < 2; ++i) {
      char path[5032] = "/";
      memset(path + 1, 'a', lengths[i]);
      strcpy(path + lengths[i], r == 8 ? ".npz" : r == 3 || r == 9 ? ".safetensors" : "");
      const llmdit_status status = readers[r](path);
      if (status != LLMDIT_NOT_FOUND)
        fprintf(stderr, "reader %zu: %s: %s\n", r, llmdit_status_name(status), llmdit_last_error());
      EXPECT(status == LLMDIT_NOT_FOUND);
    }
  }
}

#define EXPECT_SIZED(type)                                                                             \
  do {                                                                                                 \
    type##_options options;                                                                            \
    EXPECT_OK(type##_options_init_sized(&options, sizeof(options)));                                   \
    EXPECT(options.struct_size == sizeof(options));                                                    \
    EXPECT_ERROR(type##_options_init_sized(NULL, sizeof(options)), LLMDIT_INVALID_ARGUMENT, "NULL");   \
    EXPECT_ERROR(type##_options_init_sized(&options, 0), LLMDIT_INVALID_ARGUMENT, "size");             \
    EXPECT_ERROR(type##_options_init_sized(&options, 4), LLMDIT_INVALID_ARGUMENT, "size");             \
    EXPECT_ERROR(type##_options_init_sized(&options, SIZE_MAX), LLMDIT_INVALID_ARGUMENT, "size");      \
  } while (0)

static void test_options(void) {
  EXPECT_SIZED(llmdit_load);
  EXPECT_SIZED(llmdit_generate);
  EXPECT_SIZED(llmdit_text);
  EXPECT_SIZED(llmdit_rewrite);
  EXPECT_SIZED(llmdit_vl);
  EXPECT_SIZED(llmdit_remote);
  EXPECT_SIZED(llmdit_convert);
  EXPECT_SIZED(llmdit_blend);
  EXPECT_SIZED(llmdit_server);

  /* A list without its numbers is not the same as no list. */
  llmdit_generate_options options;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.prompt_embeds_count = 1;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "prompt_embeds");
  options.prompt_embeds_count = 0;
  options.negative_prompt_embeds_count = 2;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "negative_prompt");
  options.negative_prompt_embeds_count = 0;
  options.layer_spans.count = 1;
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "layer_spans");
}

/* Names that are none, where they are looked up; the pipeline works on. */
static void test_names(void) {
  const char *prompt[] = {"a red circle"}, *lora[] = {"/no/such.safetensors:0.5"};
  const llmdit_texts prompts = {prompt, 1}, loras = {lora, 1};
  llmdit_result *result = NULL;
  llmdit_encoding *encoding = NULL;
  llmdit_text *text = NULL;
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 1;
  options.template_name = "no-such-template";
  EXPECT_ERROR(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options), LLMDIT_NOT_FOUND, "no-such-template");
  EXPECT_ERROR(llmdit_pipeline_generate_batch(&result, pipeline, &prompts, &options), LLMDIT_NOT_FOUND, "no-such-template");
  EXPECT_ERROR(llmdit_pipeline_encode(&encoding, pipeline, &prompts, &options), LLMDIT_NOT_FOUND, "no-such-template");
  EXPECT_ERROR(llmdit_format_prompt(&text, "x", 1, &options), LLMDIT_NOT_FOUND, "no-such-template");
  EXPECT_ERROR(llmdit_pipeline_load_loras(NULL, pipeline, &loras, true), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT(result == NULL && encoding == NULL && text == NULL);
  options.template_name = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "x", 1, &options));
  llmdit_result_free(result);
}

static void test_out_of_memory(void) {
  const int64_t shape[] = {(int64_t)1 << 50};
  llmdit_tensor *tensor = NULL;
  const llmdit_status status = llmdit_tensor_from_buffer(&tensor, two_numbers, LLMDIT_FLOAT32, shape, 1);
  EXPECT(status == LLMDIT_OUT_OF_MEMORY && tensor == NULL && strlen(llmdit_last_error()) > 0);
  EXPECT_OK(llmdit_tensor_from_buffer(&tensor, two_numbers, LLMDIT_FLOAT32, two, 1));
  llmdit_tensor_free(tensor);
}

/* Under it libtorch ends the process where it throws otherwise. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s OUTPUT_FOLDER\n", argv[0]);
    return 2;
  }
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  test_enumerations();
  test_files(argv[1]);
  test_long_paths();
  test_options();
  test_names();
#ifdef HAS_ADDRESS_SANITIZER
  (void)test_out_of_memory;
#else
  test_out_of_memory();
#endif
  llmdit_pipeline_free(pipeline);
  return 0;
}
