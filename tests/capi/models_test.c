/* Vision-language models, servers, files of models, and what results and pictures tell, on the demo model. */
#include "check.h"

static llmdit_pipeline *pipeline;

static llmdit_image *draw_square(void) {
  enum { side = 64 };
  static uint8_t pixels[side * side * 3];
  for (int i = 0; i < side * side; ++i) pixels[3 * i] = (uint8_t)((i % side) > 16 ? 220 : 10);
  llmdit_image *image = NULL;
  EXPECT_OK(llmdit_image_from_pixels(&image, pixels, side, side));
  return image;
}

static int stop_at_once(const llmdit_token_info *info, void *payload) {
  *(int64_t *)payload = info->step;
  return 1;
}

static void test_vl(void) {
  llmdit_image *image = draw_square();
  llmdit_vl_encoder *encoder = NULL, *other = NULL;
  llmdit_vl_extraction *extraction = NULL;
  EXPECT_OK(llmdit_pipeline_vl_encoder(&encoder, pipeline));
  llmdit_vl_options options;
  EXPECT_OK(llmdit_vl_options_init(&options));
  EXPECT(options.hidden_layer == -6 && options.scale_to_text && options.statistics == NULL);
  options.hidden_layer = -2;
  options.token_selection = "image_only";
  EXPECT_OK(llmdit_vl_encoder_extract(&extraction, encoder, image, "", LLMDIT_NUL_TERMINATED, &options));
  llmdit_vl_extraction_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_vl_extraction_describe(&info, extraction));
  EXPECT(info.num_tokens > 2 && strcmp(info.token_selection, "image_only") == 0 && info.masked_dimensions == NULL);
  EXPECT(info.input_ids_count >= (size_t)info.num_tokens && strstr(info.full_prompt, "<|vision_start|>") != NULL);
  llmdit_tensor *rows = NULL;
  EXPECT_OK(llmdit_vl_extraction_embeddings(&rows, extraction));
  EXPECT(llmdit_tensor_size(rows, 0) == info.num_tokens);
  EXPECT(llmdit_tensor_size(rows, 1) == llmdit_vl_encoder_hidden_size(encoder));
  EXPECT(llmdit_vl_extraction_warning(extraction, 1000) == NULL);
  llmdit_vl_extraction_free(extraction);

  /* Masking needs statistics. */
  options.outlier_masking = "zero";
  EXPECT_ERROR(llmdit_vl_encoder_extract(&extraction, encoder, image, "", 0, &options), LLMDIT_INVALID_ARGUMENT,
               "statistics");
  const llmdit_tensor *list[] = {rows};
  llmdit_statistics *statistics = NULL;
  EXPECT_OK(llmdit_statistics_compute(&statistics, list, 1, NULL, NULL));
  options.statistics = statistics;
  options.outlier_threshold = 0.01;
  EXPECT_OK(llmdit_vl_encoder_extract(&extraction, encoder, image, "", 0, &options));
  EXPECT_OK(llmdit_vl_extraction_describe(&info, extraction));
  EXPECT(info.masked_count > 0 && info.masked_dimensions != NULL && info.masked_dim_ratios[0] > 0);
  llmdit_vl_extraction_free(extraction);
  llmdit_statistics_free(statistics);
  llmdit_tensor_free(rows);
  options.statistics = (const llmdit_statistics *)image;
  EXPECT_ERROR(llmdit_vl_encoder_extract(&extraction, encoder, image, "", 0, &options), LLMDIT_INVALID_ARGUMENT,
               "llmdit_statistics");
  EXPECT_ERROR(llmdit_vl_encoder_extract(&extraction, encoder, NULL, "", 0, NULL), LLMDIT_INVALID_ARGUMENT,
               "llmdit_image");
  EXPECT_ERROR(llmdit_vl_encoder_extract(&extraction, encoder, image, NULL, 0, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(extraction == NULL);

  /* Captions, and a prompt made from the picture. */
  llmdit_text_options writing;
  EXPECT_OK(llmdit_text_options_init(&writing));
  int64_t step = -1;
  writing.on_token = stop_at_once;
  writing.on_token_payload = &step;
  llmdit_generated_text *caption = NULL;
  EXPECT_OK(llmdit_vl_encoder_generate(&caption, encoder, image, "Describe.", LLMDIT_NUL_TERMINATED, NULL, &writing));
  EXPECT(step == 0);
  llmdit_generated_text_free(caption);
  EXPECT_OK(llmdit_vl_encoder_generate(&caption, encoder, NULL, "Hello", LLMDIT_NUL_TERMINATED, "Be brief.", &writing));
  llmdit_generated_text_free(caption);
  llmdit_chat *chat = NULL;
  llmdit_answer *answer = NULL;
  EXPECT_OK(llmdit_chat_from_vl_encoder(&chat, encoder));
  EXPECT(llmdit_chat_takes_images(chat));
  llmdit_rewrite_options rewriting;
  EXPECT_OK(llmdit_rewrite_options_init(&rewriting));
  const double temperature = 0;
  rewriting.image = image;
  rewriting.enable_thinking = false;
  rewriting.max_new_tokens = 12;
  rewriting.temperature = &temperature;
  EXPECT_OK(llmdit_chat_rewrite(&answer, chat, NULL, NULL, 0, &rewriting));
  llmdit_answer_free(answer);
  llmdit_chat_free(chat);

  EXPECT_REFUSED(llmdit_vl_encoder, llmdit_vl_encoder_extract(&extraction, handle, image, "", 0, NULL));
  EXPECT_REFUSED(llmdit_vl_encoder, llmdit_vl_encoder_generate(&caption, handle, image, "", 0, NULL, NULL));
  EXPECT_REFUSED(llmdit_vl_encoder, llmdit_vl_encoder_unload(handle));
  EXPECT_REFUSED(llmdit_vl_encoder, llmdit_chat_from_vl_encoder(&chat, handle));
  EXPECT_REFUSED(llmdit_vl_extraction, llmdit_vl_extraction_describe(&info, handle));
  EXPECT_REFUSED(llmdit_vl_extraction, llmdit_vl_extraction_embeddings(&rows, handle));
  EXPECT_REFUSED(llmdit_pipeline, llmdit_pipeline_vl_encoder(&other, handle));
  EXPECT_NOTHING(llmdit_vl_extraction, llmdit_vl_extraction_warning_count(handle));
  EXPECT_NOTHING(llmdit_vl_encoder, llmdit_vl_encoder_hidden_size(handle));
  llmdit_vl_encoder_free(encoder);

  EXPECT_OK(llmdit_vl_encoder_load(&encoder, NULL, NULL, 0));
  EXPECT_OK(llmdit_vl_encoder_unload(encoder));
  EXPECT_ERROR(llmdit_vl_encoder_extract(&extraction, encoder, image, "", 0, NULL), LLMDIT_INVALID_ARGUMENT, "");
  llmdit_vl_encoder_free(encoder);
  EXPECT_ERROR(llmdit_vl_encoder_load(&encoder, NULL, NULL, -1), LLMDIT_INVALID_ARGUMENT, "cache_size");
  EXPECT_ERROR(llmdit_vl_encoder_load(&encoder, "/no/such", NULL, 8), LLMDIT_NOT_FOUND, "/no/such");
  llmdit_image_free(image);
}

static void test_servers(void) {
  llmdit_text_encoder *here = NULL, *there = NULL;
  EXPECT_OK(llmdit_pipeline_text_encoder(&here, pipeline));
  llmdit_server_options options;
  EXPECT_OK(llmdit_server_options_init(&options));
  EXPECT(strcmp(options.host, "127.0.0.1") == 0 && options.port > 0);
  options.port = 0;
  options.api_key = "secret";
  llmdit_encoder_server *server = NULL;
  EXPECT_OK(llmdit_encoder_server_start(&server, here, &options));
  llmdit_remote_options remote;
  EXPECT_OK(llmdit_remote_options_init(&remote));
  EXPECT(strcmp(remote.encoder_api, "llmdit") == 0 && remote.api_key == NULL);
  remote.api_url = llmdit_encoder_server_url(server);
  remote.api_retries = 0;
  EXPECT_ERROR(llmdit_text_encoder_connect(&there, &remote, NULL, NULL, NULL), LLMDIT_INTERNAL, "401");
  remote.api_key = "secret";
  llmdit_text *model = NULL;
  EXPECT_OK(llmdit_demo_model_path(&model));
  EXPECT_OK(llmdit_text_encoder_connect(&there, &remote, llmdit_text_data(model), NULL, NULL));
  llmdit_text_free(model);
  llmdit_encoder_difference difference = {.struct_size = sizeof(difference)};
  EXPECT_OK(llmdit_text_encoder_compare(&difference, here, there, "a red circle", LLMDIT_NUL_TERMINATED, NULL));
  EXPECT(difference.agrees && difference.max_error < 1e-3 && !difference.has_nearest_layer);
  EXPECT(difference.rows == difference.expected_rows && difference.width == difference.expected_width);
  llmdit_pipeline *remote_pipeline = NULL;
  EXPECT_OK(llmdit_pipeline_load_with_encoder(&remote_pipeline, NULL, NULL, there));
  llmdit_generate_options generation;
  EXPECT_OK(llmdit_generate_options_init(&generation));
  generation.num_inference_steps = 1;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, remote_pipeline, "a cat", 5, &generation));
  llmdit_result_free(result);
  llmdit_pipeline_free(remote_pipeline);
  EXPECT_ERROR(llmdit_text_encoder_compare(&difference, there, here, "x", 1, NULL), LLMDIT_UNSUPPORTED, "here");

  EXPECT_OK(llmdit_encoder_server_stop(server));
  EXPECT_OK(llmdit_encoder_server_stop(server));
  EXPECT(llmdit_text_encoder_compare(&difference, here, there, "x", 1, NULL) == LLMDIT_INTERNAL);
  llmdit_text_encoder_free(there);
  llmdit_encoder_server_free(server);
  options.host = "0.0.0.0";
  options.api_key = "";
  EXPECT_ERROR(llmdit_encoder_server_start(&server, here, &options), LLMDIT_INVALID_ARGUMENT, "key");
  options.host = NULL;
  EXPECT_ERROR(llmdit_encoder_server_start(&server, here, &options), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_text_encoder_connect(&there, NULL, NULL, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "");

  /* A server of chats that nobody runs. */
  llmdit_chat *chat = NULL;
  llmdit_answer *answer = NULL;
  remote.api_url = "http://127.0.0.1:1";
  remote.encoder_api = "sglang";
  EXPECT_ERROR(llmdit_chat_connect(&chat, &remote), LLMDIT_INVALID_ARGUMENT, "encoder_api");
  EXPECT_OK(llmdit_remote_options_init(&remote));
  EXPECT_ERROR(llmdit_chat_connect(&chat, &remote), LLMDIT_INVALID_ARGUMENT, "");
  remote.api_url = "http://127.0.0.1:1";
  remote.api_retries = 0;
  EXPECT_OK(llmdit_chat_connect(&chat, &remote));
  EXPECT(llmdit_chat_takes_images(chat));
  EXPECT_ERROR(llmdit_chat_ask(&answer, chat, "x", 1, NULL), LLMDIT_INTERNAL, "127.0.0.1");
  llmdit_chat_free(chat);
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_encoder_server_start(&server, handle, NULL));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_compare(&difference, here, handle, "x", 1, NULL));
  EXPECT_REFUSED(llmdit_encoder_server, llmdit_encoder_server_stop(handle));
  EXPECT_NOTHING(llmdit_encoder_server, llmdit_encoder_server_url(handle));
  llmdit_text_encoder_free(here);
}

static void test_model_files(const char *folder) {
  llmdit_text *text = NULL, *warnings = NULL, *demo = NULL;
  EXPECT_OK(llmdit_demo_model_path(&demo));
  EXPECT_OK(llmdit_inspect(&text, llmdit_text_data(demo), false));
  EXPECT(strstr(llmdit_text_data(text), "\"kind\":\"model_folder\"") != NULL);
  EXPECT(strstr(llmdit_text_data(text), "\"becomes\"") == NULL);
  llmdit_text_free(text);
  EXPECT_OK(llmdit_inspect(&text, llmdit_text_data(demo), true));
  EXPECT(strstr(llmdit_text_data(text), "\"becomes\"") != NULL);
  llmdit_text_free(text);
  EXPECT_ERROR(llmdit_inspect(&text, "/no/such", false), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT_ERROR(llmdit_inspect(&text, NULL, false), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_OK(llmdit_check_compatibility(&text, llmdit_text_data(demo), llmdit_text_data(demo)));
  EXPECT(strstr(llmdit_text_data(text), "\"compatible\":true") != NULL);
  llmdit_text_free(text);
  EXPECT_OK(llmdit_check_compatibility(&text, llmdit_text_data(demo), NULL)); /* it is no Qwen3-4B */
  EXPECT(strstr(llmdit_text_data(text), "\"compatible\":false") != NULL);
  llmdit_text_free(text);
  EXPECT_ERROR(llmdit_check_compatibility(&text, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");

  char input[2048], output[2048];
  snprintf(input, sizeof(input), "%s/vae", llmdit_text_data(demo));
  snprintf(output, sizeof(output), "%s/vae.safetensors", folder);
  llmdit_convert_options options;
  EXPECT_OK(llmdit_convert_options_init(&options));
  options.dtype = "bfloat16";
  llmdit_convert_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_convert_weights(&info, &warnings, input, output, &options));
  EXPECT(strcmp(info.component, "vae") == 0 && info.tensors > 0 && info.bytes > 0 && warnings != NULL);
  llmdit_text_free(warnings);
  EXPECT_OK(llmdit_convert_weights(NULL, NULL, input, output, NULL));
  EXPECT_ERROR(llmdit_convert_weights(NULL, NULL, input, "vae.xyz", NULL), LLMDIT_INVALID_ARGUMENT, "xyz");
  info.struct_size = 0;
  EXPECT_ERROR(llmdit_convert_weights(&info, &warnings, input, output, NULL), LLMDIT_INVALID_ARGUMENT, "struct_size");
  options.layout = "sideways";
  EXPECT_ERROR(llmdit_convert_weights(NULL, NULL, input, output, &options), LLMDIT_INVALID_ARGUMENT, "layout");
  EXPECT(text == NULL);
  llmdit_text_free(demo);

  llmdit_device_info device = {.struct_size = sizeof(device)};
  EXPECT(llmdit_device_count() > 0);
  EXPECT_OK(llmdit_device_describe(&device, 0));
  EXPECT(strcmp(device.name, "cpu") == 0 && device.memory_bytes > 0);
  EXPECT_ERROR(llmdit_device_describe(&device, 99), LLMDIT_INVALID_ARGUMENT, "below");
  EXPECT_OK(llmdit_cpu_kernels(&text));
  EXPECT(llmdit_text_length(text) > 0);
  llmdit_text_free(text);
  EXPECT(strlen(llmdit_torch_version()) > 0);
}

static void test_plans(void) {
  const char *prompt[] = {"a red circle", "a blue star"};
  const llmdit_texts prompts = {prompt, 2};
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  const int64_t width = 256;
  options.width = &width;
  llmdit_memory_plan *plan = NULL;
  EXPECT_OK(llmdit_plan_memory(&plan, NULL, NULL, &options, &prompts, false));
  llmdit_memory_plan_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_memory_plan_describe(&info, plan));
  EXPECT(info.fits && info.width == 256 && info.batch == 2 && info.component_count >= 3 && info.stage_count == 3);
  EXPECT(info.peak_bytes > 0 && info.available_bytes >= info.peak_bytes);
  llmdit_component_plan_info component = {.struct_size = sizeof(component)};
  EXPECT_OK(llmdit_memory_plan_component(&component, plan, 0));
  EXPECT(strcmp(component.device, "cpu") == 0 && component.file_bytes > 0 && component.parameters > 0);
  llmdit_stage_plan_info stage = {.struct_size = sizeof(stage)};
  EXPECT_OK(llmdit_memory_plan_stage(&stage, plan, 1));
  EXPECT(strcmp(stage.name, "denoise") == 0 && stage.flops > 0 && stage.seconds == -1);
  EXPECT_ERROR(llmdit_memory_plan_component(&component, plan, 99), LLMDIT_INVALID_ARGUMENT, "below");
  EXPECT_ERROR(llmdit_memory_plan_stage(&stage, plan, 3), LLMDIT_INVALID_ARGUMENT, "below 3");
  EXPECT(llmdit_memory_plan_warning(plan, 1000) == NULL);
  llmdit_memory_plan_free(plan);
  EXPECT_ERROR(llmdit_plan_memory(&plan, "/no/such", NULL, NULL, NULL, false), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT(plan == NULL);
  llmdit_text *names = NULL;
  EXPECT_OK(llmdit_attention_backends(&names, "cpu"));
  EXPECT(strncmp(llmdit_text_data(names), "sdpa", 4) == 0);
  llmdit_text_free(names);
  EXPECT_ERROR(llmdit_attention_backends(&names, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_REFUSED(llmdit_memory_plan, llmdit_memory_plan_describe(&info, handle));
  EXPECT_REFUSED(llmdit_memory_plan, llmdit_memory_plan_component(&component, handle, 0));
  EXPECT_REFUSED(llmdit_memory_plan, llmdit_memory_plan_stage(&stage, handle, 0));
  EXPECT_NOTHING(llmdit_memory_plan, llmdit_memory_plan_warning_count(handle));
}

static void test_results(const char *folder, const char *lora) {
  char scaled[2048], path[2048];
  snprintf(scaled, sizeof(scaled), "%s:0.5", lora);
  const char *adapters[] = {scaled};
  const llmdit_texts loras = {adapters, 1};
  llmdit_lora_report *report = NULL;
  llmdit_text *text = NULL;
  EXPECT_OK(llmdit_pipeline_load_loras(&report, pipeline, &loras, true));
  EXPECT(llmdit_lora_report_applied_count(report) > 0 && llmdit_lora_report_warning(report, 1000) == NULL);
  llmdit_lora_report_free(report);
  EXPECT_OK(llmdit_pipeline_loras(&text, pipeline));
  EXPECT(strcmp(llmdit_text_data(text), scaled) == 0);
  llmdit_text_free(text);
  EXPECT_OK(llmdit_pipeline_unload_loras(pipeline));
  EXPECT_ERROR(llmdit_pipeline_load_loras(NULL, pipeline, NULL, false), LLMDIT_INVALID_ARGUMENT, "NULL");

  llmdit_image *square = draw_square(), *picture = NULL;
  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.num_inference_steps = 3;
  options.step_cache = 1;
  options.vl_image = square;
  options.vl_hidden_layer = -2;
  llmdit_result *result = NULL;
  EXPECT_OK(llmdit_pipeline_generate(&result, pipeline, "a red square", LLMDIT_NUL_TERMINATED, &options));
  llmdit_result_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_result_describe(&info, result));
  EXPECT(info.sigma_count == 4 && info.sigmas[3] == 0 && info.step_count == 3 && info.prompt_count == 1);
  EXPECT(info.reused_step_count == 2 && info.reused_steps[0] == 1 && info.reused_steps[1] == 2);
  llmdit_prompt_info prompt = {.struct_size = sizeof(prompt)};
  EXPECT_OK(llmdit_result_describe_prompt(&prompt, result, 0));
  EXPECT(prompt.token_count > 0 && prompt.compression_ratio == 1 && strstr(prompt.formatted_prompt, "red square"));
  EXPECT_ERROR(llmdit_result_describe_prompt(&prompt, result, 1), LLMDIT_INVALID_ARGUMENT, "below 1");
  llmdit_vl_extraction *extraction = NULL;
  EXPECT_OK(llmdit_result_vl_extraction(&extraction, result));
  llmdit_vl_extraction_free(extraction);

  EXPECT_OK(llmdit_result_image(&picture, result, 0));
  llmdit_result_free(result);
  EXPECT_OK(llmdit_image_metadata(&text, picture, "parameters"));
  EXPECT(strstr(llmdit_text_data(text), "a red square") != NULL);
  llmdit_text_free(text);
  EXPECT_ERROR(llmdit_image_metadata(&text, picture, "nothing"), LLMDIT_NOT_FOUND, "nothing");
  EXPECT_ERROR(llmdit_image_metadata(&text, square, "llmdit"), LLMDIT_NOT_FOUND, "llmdit");
  snprintf(path, sizeof(path), "%s/metadata.png", folder);
  EXPECT_OK(llmdit_image_write(picture, path));
  EXPECT_OK(llmdit_image_read_metadata(&text, path, "llmdit"));
  EXPECT(llmdit_text_data(text)[0] == '{');
  llmdit_text_free(text);
  const int64_t quality = 100, wrong = 0;
  llmdit_image *again = NULL;
  EXPECT_OK(llmdit_image_encode(&text, picture, "webp", &quality));
  EXPECT_OK(llmdit_image_decode(&again, (const uint8_t *)llmdit_text_data(text), llmdit_text_length(text)));
  EXPECT(memcmp(llmdit_image_pixels(again), llmdit_image_pixels(picture), 128 * 128 * 3) == 0);
  llmdit_text_free(text);
  EXPECT_ERROR(llmdit_image_encode(&text, picture, "gif", NULL), LLMDIT_INVALID_ARGUMENT, "gif");
  EXPECT_ERROR(llmdit_image_encode(&text, picture, "jpeg", &wrong), LLMDIT_INVALID_ARGUMENT, "quality");
  EXPECT_ERROR(llmdit_image_encode(&text, picture, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");

  /* A picture through the autoencoder and back is about the same. */
  llmdit_tensor *latents = NULL, *pixels = NULL;
  EXPECT(llmdit_pipeline_size_multiple(pipeline) > 0 && llmdit_pipeline_max_text_tokens(pipeline) > 0);
  EXPECT_OK(llmdit_pipeline_encode_image(&latents, pipeline, picture, NULL));
  EXPECT_OK(llmdit_pipeline_decode(&pixels, pipeline, latents, NULL));
  const float *numbers = llmdit_tensor_data(pixels, LLMDIT_FLOAT32);
  double error = 0;
  for (int i = 0; i < 128 * 128; ++i) {
    const double difference = numbers[i] - llmdit_image_pixels(picture)[3 * i] / 255.0;
    error += difference * difference / (128 * 128);
  }
  EXPECT(error < 0.02);
  llmdit_tensor_free(latents);
  llmdit_tensor_free(pixels);
  EXPECT_REFUSED(llmdit_pipeline, llmdit_pipeline_encode_image(&latents, handle, picture, NULL));
  EXPECT_REFUSED(llmdit_pipeline, llmdit_pipeline_load_loras(NULL, handle, &loras, true));
  EXPECT_REFUSED(llmdit_pipeline, llmdit_pipeline_loras(&text, handle));
  EXPECT_REFUSED(llmdit_result, llmdit_result_describe(&info, handle));
  EXPECT_REFUSED(llmdit_result, llmdit_result_describe_prompt(&prompt, handle, 0));
  EXPECT_REFUSED(llmdit_result, llmdit_result_vl_extraction(&extraction, handle));
  EXPECT_REFUSED(llmdit_image, llmdit_image_encode(&text, handle, "png", NULL));
  EXPECT_REFUSED(llmdit_image, llmdit_image_metadata(&text, handle, "llmdit"));
  EXPECT_NOTHING(llmdit_pipeline, llmdit_pipeline_size_multiple(handle));
  EXPECT_NOTHING(llmdit_pipeline, llmdit_pipeline_max_text_tokens(handle));
  EXPECT_NOTHING(llmdit_lora_report, llmdit_lora_report_warning_count(handle));
  llmdit_image_free(again);
  llmdit_image_free(picture);
  llmdit_image_free(square);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s OUTPUT_FOLDER LORA\n", argv[0]);
    return 2;
  }
  EXPECT_OK(llmdit_pipeline_load(&pipeline, NULL, NULL));
  test_vl();
  test_servers();
  test_model_files(argv[1]);
  test_plans();
  test_results(argv[1], argv[2]);
  llmdit_pipeline_free(pipeline);
  return 0;
}
