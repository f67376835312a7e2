/* Arithmetic of embeddings, their files, caches and statistics. */
#include "check.h"

static llmdit_tensor *make_rows(int64_t rows, float first) {
  enum { width = 6 };
  float numbers[8 * width];
  for (int64_t i = 0; i < rows * width; ++i) numbers[i] = first + (float)((i * 7) % 11);
  const int64_t shape[2] = {rows, width};
  llmdit_tensor *tensor = NULL;
  EXPECT_OK(llmdit_tensor_from_buffer(&tensor, numbers, LLMDIT_FLOAT32, shape, 2));
  return tensor;
}

static float at(const llmdit_tensor *tensor, int64_t row, int64_t column) {
  return ((const float *)llmdit_tensor_data(tensor, LLMDIT_FLOAT32))[row * llmdit_tensor_size(tensor, 1) + column];
}

static void expect_equal(const llmdit_tensor *a, const llmdit_tensor *b) {
  EXPECT(llmdit_tensor_size(a, 0) == llmdit_tensor_size(b, 0) && llmdit_tensor_size(a, 1) == llmdit_tensor_size(b, 1));
  for (int64_t r = 0; r < llmdit_tensor_size(a, 0); ++r) {
    for (int64_t c = 0; c < llmdit_tensor_size(a, 1); ++c) EXPECT(at(a, r, c) == at(b, r, c));
  }
}

static void test_blend_modes(void) {
  llmdit_tensor *vl = make_rows(3, 10), *text = make_rows(4, 0), *blended = NULL;
  llmdit_text *warnings = NULL;
  llmdit_blend_options options;
  EXPECT_OK(llmdit_blend_options_init(&options));
  EXPECT(strcmp(options.mode, "interpolate") == 0 && options.alpha > 0);
  const char *modes[] = {"interpolate", "linear",             "adain",      "adain_per_dim", "style_only",
                         "graduated",   "attention_weighted", "style_delta"};
  const float weights[4] = {1, 2, 3, 4};
  const int64_t four = 4;
  llmdit_tensor *attention = NULL;
  EXPECT_OK(llmdit_tensor_from_buffer(&attention, weights, LLMDIT_FLOAT32, &four, 1));
  for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); ++i) {
    options.mode = modes[i];
    options.neutral = strcmp(modes[i], "style_delta") == 0 ? text : NULL;
    options.attention_weights = strcmp(modes[i], "attention_weighted") == 0 ? attention : NULL;
    options.alpha = 0.5;
    EXPECT_OK(llmdit_blend(&blended, &warnings, vl, text, &options));
    EXPECT(llmdit_tensor_size(blended, 0) == 4 && llmdit_tensor_size(blended, 1) == 6);
    EXPECT(llmdit_text_data(warnings) != NULL);
    llmdit_text_free(warnings);
    llmdit_tensor_free(blended);
    options.alpha = 0; /* the text, bit for bit */
    EXPECT_OK(llmdit_blend(&blended, NULL, vl, text, &options));
    expect_equal(blended, text);
    llmdit_tensor_free(blended);
  }
  EXPECT_ERROR(llmdit_blend(&blended, &warnings, vl, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "llmdit_tensor");
  options.mode = "sideways";
  EXPECT_ERROR(llmdit_blend(&blended, &warnings, vl, text, &options), LLMDIT_INVALID_ARGUMENT, "sideways");
  options.mode = NULL;
  EXPECT_ERROR(llmdit_blend(&blended, &warnings, vl, text, &options), LLMDIT_INVALID_ARGUMENT, "NULL");
  options.mode = "style_delta";
  options.neutral = NULL;
  EXPECT_ERROR(llmdit_blend(&blended, &warnings, vl, text, &options), LLMDIT_INVALID_ARGUMENT, "neutral");
  options.struct_size = 0;
  EXPECT_ERROR(llmdit_blend(&blended, &warnings, vl, text, &options), LLMDIT_INVALID_ARGUMENT, "struct_size");
  EXPECT_ERROR(llmdit_blend_options_init(NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(blended == NULL && warnings == NULL);
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend(&blended, NULL, handle, text, NULL));
  llmdit_tensor_free(attention);
  llmdit_tensor_free(vl);
  llmdit_tensor_free(text);
}

static void test_blend_functions(void) {
  llmdit_tensor *vl = make_rows(4, 10), *text = make_rows(4, 0), *short_text = make_rows(2, 0), *out = NULL;
  EXPECT_OK(llmdit_blend_embeddings(&out, vl, text, 0.25, true));
  EXPECT(at(out, 1, 2) == 0.25f * at(vl, 1, 2) + 0.75f * at(text, 1, 2));
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_blend_embeddings(&out, vl, short_text, 0.25, false), LLMDIT_INVALID_ARGUMENT, "");
  EXPECT_ERROR(llmdit_blend_embeddings(&out, vl, text, 2, true), LLMDIT_INVALID_ARGUMENT, "2");
  const int64_t columns[] = {1, 4}, wrong[] = {99};
  EXPECT_OK(llmdit_blend_style_only(&out, vl, text, 1, columns, 2));
  EXPECT(at(out, 0, 1) == at(vl, 0, 1) && at(out, 0, 0) == at(text, 0, 0));
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_blend_style_only(&out, vl, text, 1, NULL, 0));
  EXPECT(at(out, 0, 3) == at(text, 0, 3) && at(out, 0, 4) == at(vl, 0, 4));
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_blend_style_only(&out, vl, text, 1, wrong, 1), LLMDIT_INVALID_ARGUMENT, "99");
  EXPECT_ERROR(llmdit_blend_style_only(&out, vl, text, 1, NULL, 1), LLMDIT_INVALID_ARGUMENT, "NULL");
  llmdit_tensor *alphas = NULL;
  EXPECT_OK(llmdit_create_graduated_alpha(&alphas, 4, 0, 1, "linear"));
  EXPECT_OK(llmdit_blend_per_token(&out, vl, text, alphas));
  EXPECT(at(out, 0, 0) == at(text, 0, 0) && at(out, 3, 0) == at(vl, 3, 0));
  llmdit_tensor_free(out);
  llmdit_tensor_free(alphas);
  EXPECT_ERROR(llmdit_create_graduated_alpha(&alphas, 4, 0, 1, "steep"), LLMDIT_INVALID_ARGUMENT, "steep");
  EXPECT_ERROR(llmdit_create_graduated_alpha(&alphas, -1, 0, 1, "linear"), LLMDIT_INVALID_ARGUMENT, "-1");
  EXPECT_OK(llmdit_blend_adain(&out, text, vl, 0.5, true));
  llmdit_tensor_free(out);
  llmdit_tensor *delta = NULL;
  EXPECT_OK(llmdit_compute_style_delta(&delta, vl, text, false));
  EXPECT(at(delta, 2, 2) == at(vl, 2, 2) - at(text, 2, 2));
  EXPECT_OK(llmdit_blend_with_style_delta(&out, text, delta, 1, false));
  expect_equal(out, vl);
  llmdit_tensor_free(out);

  EXPECT_OK(llmdit_compress_embeddings(&out, text, 2, "truncate"));
  expect_equal(out, short_text);
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_compress_embeddings(&out, text, 2, "squeeze"), LLMDIT_INVALID_ARGUMENT, "squeeze");
  EXPECT_ERROR(llmdit_compress_embeddings(&out, text, 0, "pool"), LLMDIT_INVALID_ARGUMENT, "0");
  EXPECT(strcmp(llmdit_estimate_quality_loss(10, 20, "truncate"), "None (no compression needed)") == 0);
  EXPECT(llmdit_estimate_quality_loss(10, 20, "squeeze") == NULL && llmdit_estimate_quality_loss(1, 1, NULL) == NULL);

  const llmdit_tensor *bright[] = {vl}, *dark[] = {text};
  EXPECT_OK(llmdit_steering_vector(&out, bright, 1, dark, 1, "mean", false));
  EXPECT(llmdit_tensor_dimensions(out) == 1 && llmdit_tensor_size(out, 0) == 6);
  llmdit_tensor *steered = NULL;
  EXPECT_OK(llmdit_apply_steering(&steered, text, out, 1));
  EXPECT(at(steered, 0, 0) == at(text, 0, 0) + 10);
  llmdit_tensor_free(steered);
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_steering_vector(&out, bright, 1, NULL, 1, "mean", true), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_steering_vector(&out, bright, 1, dark, 1, "median", true), LLMDIT_INVALID_ARGUMENT, "median");
  llmdit_embedding_comparison comparison = {.struct_size = sizeof(comparison)};
  EXPECT_OK(llmdit_compare_embeddings(&comparison, text, text, "mean"));
  EXPECT(comparison.cosine_similarity > 0.999 && comparison.mean_squared_error == 0);
  EXPECT_REFUSED(llmdit_tensor, llmdit_compare_embeddings(&comparison, handle, text, "mean"));
  EXPECT_REFUSED(llmdit_tensor, llmdit_compress_embeddings(&out, handle, 2, "pool"));
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend_embeddings(&out, handle, text, 0.5, true));
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend_style_only(&out, handle, text, 0.5, NULL, 0));
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend_per_token(&out, vl, text, handle));
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend_adain(&out, handle, vl, 0.5, true));
  EXPECT_REFUSED(llmdit_tensor, llmdit_compute_style_delta(&out, handle, text, true));
  EXPECT_REFUSED(llmdit_tensor, llmdit_blend_with_style_delta(&out, text, handle, 1, true));
  EXPECT_REFUSED(llmdit_tensor, llmdit_apply_steering(&out, handle, text, 1));
  EXPECT(out == NULL);
  llmdit_tensor_free(delta);
  llmdit_tensor_free(vl);
  llmdit_tensor_free(text);
  llmdit_tensor_free(short_text);
}

static void test_statistics(const char *folder) {
  llmdit_tensor *rows = make_rows(8, 0), *other = make_rows(4, 3), *out = NULL;
  llmdit_layer_info layer = {.struct_size = sizeof(layer)};
  EXPECT_OK(llmdit_layer_statistics(&layer, rows));
  EXPECT(layer.min == 0 && layer.max == 10 && layer.std > 0 && layer.row_norm_max >= layer.row_norm_min);
  int64_t columns[6];
  double ratios[6];
  size_t count = 0;
  EXPECT_OK(llmdit_layer_outliers(NULL, NULL, &count, rows, 0.01));
  EXPECT(count == 6);
  count = 2;
  EXPECT_ERROR(llmdit_layer_outliers(columns, ratios, &count, rows, 0.01), LLMDIT_INVALID_ARGUMENT, "room");
  EXPECT(count == 6);
  EXPECT_OK(llmdit_layer_outliers(columns, ratios, &count, rows, 0.01));
  EXPECT(ratios[0] >= ratios[5]);
  EXPECT_ERROR(llmdit_layer_outliers(columns, ratios, NULL, rows, 1), LLMDIT_INVALID_ARGUMENT, "NULL");

  const llmdit_tensor *list[] = {rows, other};
  const int64_t hidden_layer = -2;
  llmdit_statistics *statistics = NULL, *again = NULL;
  EXPECT_OK(llmdit_statistics_compute(&statistics, list, 2, "tiny", &hidden_layer));
  char path[1024];
  snprintf(path, sizeof(path), "%s/statistics.npz", folder);
  EXPECT_OK(llmdit_statistics_save(statistics, path));
  EXPECT_OK(llmdit_statistics_load(&again, path));
  llmdit_statistics_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_statistics_describe(&info, again));
  EXPECT(info.hidden_dim == 6 && strcmp(info.model, "tiny") == 0 && *info.hidden_layer == -2);
  EXPECT(info.num_tokens == 12 && info.num_prompts == 2 && info.global_std > 0);
  EXPECT_OK(llmdit_statistics_mean(&out, again));
  EXPECT(llmdit_tensor_size(out, 0) == 6);
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_statistics_std(&out, again));
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_statistics_load(&again, "/no/such.npz"), LLMDIT_NOT_FOUND, "/no/such.npz");
  EXPECT_ERROR(llmdit_statistics_save(statistics, "statistics.xyz"), LLMDIT_INVALID_ARGUMENT, "xyz");
  EXPECT_ERROR(llmdit_statistics_compute(&again, list, 0, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "");
  llmdit_texts prompts = {NULL, 0};
  EXPECT_OK(llmdit_statistics_prompts(&prompts));
  EXPECT_ERROR(llmdit_statistics_prompts(NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(prompts.count > 20 && strlen(prompts.values[0]) > 0);

  llmdit_text *warnings = NULL;
  const double target = 2, sigma = 1;
  EXPECT_OK(llmdit_scale_embeddings(&out, &warnings, other, &target));
  EXPECT_OK(llmdit_layer_statistics(&layer, out));
  EXPECT(layer.std > 1.999 && layer.std < 2.001 && llmdit_text_length(warnings) == 0);
  llmdit_text_free(warnings);
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_scale_embeddings(&out, NULL, other, NULL));
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_normalize_per_dimension(&out, other, statistics, NULL));
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_normalize_per_dimension(&out, other, statistics, &sigma));
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_normalize_hybrid(&out, NULL, other, statistics, 0.5));
  llmdit_tensor_free(out);
  EXPECT_OK(llmdit_mask_outlier_dimensions(&out, other, statistics, 0.01, "zero"));
  EXPECT(at(out, 0, 0) == 0 && at(out, 3, 5) == 0);
  llmdit_tensor_free(out);
  EXPECT_ERROR(llmdit_mask_outlier_dimensions(&out, other, statistics, 1, "hide"), LLMDIT_INVALID_ARGUMENT, "hide");
  count = 6;
  EXPECT_OK(llmdit_outlier_dimensions(columns, NULL, &count, other, statistics, 0.01));
  EXPECT(count == 6);
  EXPECT_REFUSED(llmdit_statistics, llmdit_statistics_save(handle, path));
  EXPECT_REFUSED(llmdit_statistics, llmdit_statistics_describe(&info, handle));
  EXPECT_REFUSED(llmdit_statistics, llmdit_statistics_mean(&out, handle));
  EXPECT_REFUSED(llmdit_statistics, llmdit_statistics_std(&out, handle));
  EXPECT_REFUSED(llmdit_statistics, llmdit_normalize_per_dimension(&out, other, handle, NULL));
  EXPECT_REFUSED(llmdit_statistics, llmdit_normalize_hybrid(&out, NULL, other, handle, 0.5));
  EXPECT_REFUSED(llmdit_statistics, llmdit_mask_outlier_dimensions(&out, other, handle, 1, "zero"));
  EXPECT_REFUSED(llmdit_statistics, llmdit_outlier_dimensions(NULL, NULL, &count, other, handle, 1));
  EXPECT_REFUSED(llmdit_tensor, llmdit_layer_statistics(&layer, handle));
  EXPECT_REFUSED(llmdit_tensor, llmdit_scale_embeddings(&out, NULL, handle, NULL));
  llmdit_statistics_free(again);
  llmdit_statistics_free(statistics);
  llmdit_tensor_free(rows);
  llmdit_tensor_free(other);
}

static void test_files(const char *folder) {
  llmdit_tensor *rows = make_rows(3, 1), *back = NULL;
  const llmdit_tensor *list[] = {rows};
  const char *prompt[] = {"a cat"};
  const llmdit_texts prompts = {prompt, 1}, none = {prompt, 0};
  llmdit_encoding *made = NULL, *read = NULL;
  llmdit_text *written = NULL;
  EXPECT_OK(llmdit_encoding_create(&made, list, 1, &prompts));
  char path[1024];
  snprintf(path, sizeof(path), "%s/embeddings", folder);
  EXPECT_OK(llmdit_encoding_save(&written, made, path, true));
  EXPECT(strstr(llmdit_text_data(written), "embeddings.safetensors") != NULL);
  EXPECT_OK(llmdit_encoding_load(&read, llmdit_text_data(written)));
  llmdit_text_free(written);
  EXPECT(strcmp(llmdit_encoding_prompt(read, 0), "a cat") == 0 && llmdit_encoding_token_count(read, 0) == 3);
  EXPECT_OK(llmdit_encoding_embeddings(&back, read, 0));
  expect_equal(back, rows);
  llmdit_tensor_free(back);
  EXPECT(llmdit_encoding_metadata_key(read, 1000) == NULL && llmdit_encoding_metadata_value(read, 1000) == NULL);
  EXPECT(llmdit_encoding_warning(read, 1000) == NULL && llmdit_encoding_token_count(read, 1000) == 0);
  EXPECT_ERROR(llmdit_encoding_create(&made, list, 0, NULL), LLMDIT_INVALID_ARGUMENT, "none");
  EXPECT_ERROR(llmdit_encoding_create(&made, NULL, 1, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_encoding_create(&made, list, 1, &none), LLMDIT_INVALID_ARGUMENT, "1 prompts");
  EXPECT(made == NULL);
  EXPECT_ERROR(llmdit_encoding_load(&made, "/no/such.safetensors"), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT_ERROR(llmdit_encoding_save(NULL, read, "/no/such/folder/a", false), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT_REFUSED(llmdit_encoding, llmdit_encoding_save(NULL, handle, path, false));
  EXPECT_NOTHING(llmdit_encoding, llmdit_encoding_metadata_count(handle));
  EXPECT_NOTHING(llmdit_encoding, llmdit_encoding_warning_count(handle));
  EXPECT_NOTHING(llmdit_encoding, llmdit_encoding_prompt(handle, 0));
  llmdit_encoding_free(read);
  llmdit_tensor_free(rows);
}

/* A pipeline without an encoder, and one whose encoder is what lies in a folder. */
static void test_caches(const char *folder) {
  char cache_folder[1024];
  snprintf(cache_folder, sizeof(cache_folder), "%s/embedding_cache", folder);
  llmdit_load_options load;
  EXPECT_OK(llmdit_load_options_init(&load));
  load.cache_folder = cache_folder;
  llmdit_text_encoder *plain = NULL, *cached = NULL, *of_pipeline = NULL;
  EXPECT_OK(llmdit_text_encoder_load(&plain, NULL, NULL));
  llmdit_cache_info info = {.struct_size = sizeof(info)};
  EXPECT_ERROR(llmdit_text_encoder_cache_describe(&info, plain), LLMDIT_NOT_FOUND, "no cache");
  EXPECT_ERROR(llmdit_text_encoder_clear_cache(plain), LLMDIT_NOT_FOUND, "no cache");
  EXPECT_OK(llmdit_text_encoder_with_cache(&cached, plain, &load));
  const char *texts[] = {"a", "b", "a"};
  const llmdit_texts list = {texts, 3};
  llmdit_encoding *encoding = NULL;
  EXPECT_OK(llmdit_text_encoder_encode(&encoding, cached, &list, NULL));
  llmdit_encoding_free(encoding);
  EXPECT_OK(llmdit_text_encoder_cache_describe(&info, cached));
  EXPECT(info.hits + info.misses == 3 && info.current_size == 2 && info.current_bytes > 0);
  EXPECT_OK(llmdit_text_encoder_clear_cache(cached));
  EXPECT_OK(llmdit_text_encoder_cache_describe(&info, cached));
  EXPECT(info.hits == 0 && info.current_size == 0);
  llmdit_text_encoder_free(cached);

  EXPECT_OK(llmdit_text_encoder_with_cache(&cached, NULL, &load)); /* what lies in the folder is all there is */
  EXPECT_OK(llmdit_text_encoder_encode(&encoding, cached, &list, NULL));
  llmdit_encoding_free(encoding);
  const char *unknown[] = {"c"};
  const llmdit_texts other = {unknown, 1};
  EXPECT_ERROR(llmdit_text_encoder_encode(&encoding, cached, &other, NULL), LLMDIT_NOT_FOUND, "");
  llmdit_generated_text *generated = NULL;
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, cached, "x", 1, NULL), LLMDIT_UNSUPPORTED, "");

  llmdit_pipeline *pipeline = NULL;
  EXPECT_OK(llmdit_pipeline_load_with_encoder(&pipeline, NULL, NULL, cached));
  EXPECT_OK(llmdit_pipeline_text_encoder(&of_pipeline, pipeline));
  llmdit_text_encoder_free(cached);
  EXPECT_OK(llmdit_text_encoder_clear_cache(of_pipeline));
  llmdit_text_encoder_free(of_pipeline);
  llmdit_pipeline_free(pipeline);

  EXPECT_OK(llmdit_pipeline_load_with_encoder(&pipeline, NULL, NULL, NULL));
  EXPECT_ERROR(llmdit_pipeline_text_encoder(&of_pipeline, pipeline), LLMDIT_NOT_FOUND, "without");
  llmdit_result *result = NULL;
  EXPECT(llmdit_pipeline_generate(&result, pipeline, "a cat", 5, NULL) != LLMDIT_OK && result == NULL);
  EXPECT_OK(llmdit_text_encoder_encode(&encoding, plain, &list, NULL));
  llmdit_tensor *rows = NULL;
  EXPECT_OK(llmdit_encoding_embeddings(&rows, encoding, 0));
  const llmdit_tensor *given[] = {rows};
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 1;
  options.prompt_embeds = given;
  options.prompt_embeds_count = 1;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, NULL, 0, &options));
  llmdit_result_free(result);
  llmdit_pipeline *whole = NULL;
  EXPECT_OK(llmdit_pipeline_load(&whole, NULL, NULL));
  EXPECT_OK(llmdit_pipeline_text_encoder(&of_pipeline, whole));
  EXPECT_OK(llmdit_text_encoder_unload(of_pipeline));
  EXPECT_OK(llmdit_text_encoder_unload(of_pipeline));
  llmdit_encoding *none = NULL;
  EXPECT_ERROR(llmdit_text_encoder_encode(&none, of_pipeline, &list, NULL), LLMDIT_INVALID_ARGUMENT, "closed");
  EXPECT_ERROR(llmdit_pipeline_generate(&result, whole, "a cat", 5, NULL), LLMDIT_INVALID_ARGUMENT, "closed");
  EXPECT_OK(llmdit_pipeline_generate(&result, whole, NULL, 0, &options));
  llmdit_result_free(result);
  llmdit_text_encoder_free(of_pipeline);
  llmdit_pipeline_free(whole);

  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_unload(handle));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_cache_describe(&info, handle));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_clear_cache(handle));
  EXPECT_REFUSED(llmdit_pipeline, llmdit_pipeline_text_encoder(&of_pipeline, handle));
  llmdit_tensor_free(rows);
  llmdit_encoding_free(encoding);
  llmdit_pipeline_free(pipeline);
  llmdit_text_encoder_free(plain);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s OUTPUT_FOLDER\n", argv[0]);
    return 2;
  }
  test_blend_modes();
  test_blend_functions();
  test_statistics(argv[1]);
  test_files(argv[1]);
  test_caches(argv[1]);
  return 0;
}
