/* A program of an older release: compiled against the header of that release (abi/), run with the library of today. */
#include "check.h"

static int count_steps(const llmdit_step_info *info, void *payload) {
  EXPECT(info->struct_size >= sizeof(*info)); /* the library may know more fields, never fewer */
  EXPECT(info->total == 3 && llmdit_tensor_dimensions(info->latents) == 4);
  ++*(int *)payload;
  return 0;
}

/* Each field that the older header has lies where its program expects it, under the same name. */
static void test_fields_stay(void) {
  static const struct {
    const char *name;
    size_t offset;
  } load[] = {{"dtype", offsetof(llmdit_load_options, dtype)}, {"lora", offsetof(llmdit_load_options, lora)}},
    generate[] = {{"width", offsetof(llmdit_generate_options, width)},
                  {"seed", offsetof(llmdit_generate_options, seed)},
                  {"sigmas", offsetof(llmdit_generate_options, sigmas)},
                  {"strength", offsetof(llmdit_generate_options, strength)},
                  {"output_type", offsetof(llmdit_generate_options, output_type)}};
  const struct {
    llmdit_option_struct kind;
    const char *name;
    size_t offset;
  } expected[] = {{LLMDIT_LOAD_OPTIONS, load[0].name, load[0].offset},
                  {LLMDIT_LOAD_OPTIONS, load[1].name, load[1].offset},
                  {LLMDIT_GENERATE_OPTIONS, generate[0].name, generate[0].offset},
                  {LLMDIT_GENERATE_OPTIONS, generate[1].name, generate[1].offset},
                  {LLMDIT_GENERATE_OPTIONS, generate[2].name, generate[2].offset},
                  {LLMDIT_GENERATE_OPTIONS, generate[3].name, generate[3].offset},
                  {LLMDIT_GENERATE_OPTIONS, generate[4].name, generate[4].offset}};
  for (size_t e = 0; e < sizeof(expected) / sizeof(expected[0]); ++e) {
    size_t found = 0;
    for (size_t i = 0; i < llmdit_option_count(expected[e].kind); ++i) {
      llmdit_option_info info = {.struct_size = sizeof(info)};
      EXPECT_OK(llmdit_option_describe(&info, expected[e].kind, i));
      if (strcmp(info.name, expected[e].name) == 0) found = info.offset;
    }
    EXPECT(found == expected[e].offset);
  }
}

/* Each number that the older header has for a name stands for the same today. */
static void test_numbers_stay(void) {
  static const struct {
    llmdit_status status;
    const char *name;
  } statuses[] = {{LLMDIT_OK, "ok"},
                  {LLMDIT_INVALID_ARGUMENT, "invalid_argument"},
                  {LLMDIT_NOT_FOUND, "not_found"},
                  {LLMDIT_UNSUPPORTED, "unsupported"},
                  {LLMDIT_OUT_OF_MEMORY, "out_of_memory"},
                  {LLMDIT_CANCELLED, "cancelled"},
                  {LLMDIT_INTERNAL, "internal"}};
  for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); ++i)
    EXPECT(strcmp(llmdit_status_name(statuses[i].status), statuses[i].name) == 0);
  static const struct {
    llmdit_dtype dtype;
    size_t bytes;
  } dtypes[] = {{LLMDIT_FLOAT32, 4}, {LLMDIT_FLOAT16, 2}, {LLMDIT_BFLOAT16, 2},
                {LLMDIT_FLOAT64, 8}, {LLMDIT_INT64, 8},   {LLMDIT_UINT8, 1}};
  const float three = 3;
  llmdit_tensor *tensor = NULL;
  EXPECT_OK(llmdit_tensor_from_buffer(&tensor, &three, LLMDIT_FLOAT32, NULL, 0));
  for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); ++i) {
    unsigned char room[8];
    EXPECT_OK(llmdit_tensor_copy(room, dtypes[i].bytes, tensor, dtypes[i].dtype));
  }
  llmdit_tensor_free(tensor);
}

int main(void) {
  EXPECT(llmdit_abi_version() == LLMDIT_ABI_VERSION);
  test_fields_stay();
  test_numbers_stay();

  /* What lies behind an older, shorter struct is not the library's. */
  struct {
    llmdit_generate_options options;
    unsigned char beyond[64];
  } guarded;
  memset(&guarded, 0xAB, sizeof(guarded));
  EXPECT_OK(llmdit_generate_options_init(&guarded.options));
  for (size_t i = 0; i < sizeof(guarded.beyond); ++i) EXPECT(guarded.beyond[i] == 0xAB);
  EXPECT(guarded.options.struct_size == sizeof(llmdit_generate_options));

  llmdit_load_options load;
  EXPECT_OK(llmdit_load_options_init(&load));
  load.dtype = "float32";
  llmdit_pipeline *pipeline = NULL;
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, &load));

  const uint64_t seed = 3;
  int steps = 0;
  guarded.options.num_inference_steps = 3;
  guarded.options.seed = &seed;
  guarded.options.on_step = count_steps;
  guarded.options.on_step_payload = &steps;
  llmdit_result *result = NULL;
  llmdit_image *image = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a red circle", LLMDIT_NUL_TERMINATED, &guarded.options));
  EXPECT(steps == 3);
  struct {
    llmdit_timings timings;
    unsigned char beyond[64];
  } measured;
  memset(&measured, 0xAB, sizeof(measured));
  measured.timings.struct_size = sizeof(measured.timings);
  EXPECT_OK(llmdit_result_timings(&measured.timings, result));
  EXPECT(measured.timings.total > 0 && measured.beyond[0] == 0xAB);
  EXPECT_OK(llmdit_result_image(&image, result, 0));
  EXPECT(llmdit_image_width(image) == 128 && llmdit_image_pixels(image) != NULL);
  EXPECT_ERROR(llmdit_image_write(image, "/no/such/folder/a.png"), LLMDIT_NOT_FOUND, "/no/such/folder");
  llmdit_image_free(image);
  llmdit_result_free(result);
  llmdit_pipeline_free(pipeline);
  return 0;
}
