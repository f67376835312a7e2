/* Chat text, templates, text encoders, text generation and rewriting, on the demo model. */
#include "check.h"

static llmdit_text_encoder *encoder;

static void expect_text(llmdit_text *text, const char *expected) {
  EXPECT(strcmp(llmdit_text_data(text), expected) == 0 && llmdit_text_length(text) == strlen(expected));
  llmdit_text_free(text);
}

static void test_conversations(void) {
  const llmdit_message messages[] = {{"system", "Be brief.", NULL}, {"user", "a cat", NULL}, {"assistant", "", "hm"}};
  llmdit_text *text = NULL;
  EXPECT_OK(llmdit_render_conversation(&text, messages, 3, true, true));
  expect_text(text,
              "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na cat<|im_end|>\n<|im_start|>assistant\n"
              "<think>\nhm\n</think>\n\n");
  EXPECT_OK(llmdit_render_conversation(&text, NULL, 0, false, true));
  expect_text(text, "");
  const llmdit_message nobody[] = {{"nobody", "x", NULL}}, silent[] = {{"user", NULL, NULL}};
  EXPECT_ERROR(llmdit_render_conversation(&text, nobody, 1, false, true), LLMDIT_INVALID_ARGUMENT, "nobody");
  EXPECT_ERROR(llmdit_render_conversation(&text, silent, 1, false, true), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_render_conversation(&text, NULL, 2, false, true), LLMDIT_INVALID_ARGUMENT, "2 messages");
  EXPECT_ERROR(llmdit_render_conversation(NULL, messages, 1, false, true), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(text == NULL);
}

static void test_tokenizer(void) {
  llmdit_tokenizer *tokenizer = NULL;
  llmdit_text *text = NULL;
  EXPECT_OK(llmdit_text_encoder_tokenizer(&tokenizer, encoder));
  EXPECT(llmdit_tokenizer_vocab_size(tokenizer) > 256);
  int64_t id = -1;
  EXPECT_OK(llmdit_tokenizer_token_to_id(&id, tokenizer, "<|im_start|>"));
  EXPECT_OK(llmdit_tokenizer_id_to_token(&text, tokenizer, id));
  expect_text(text, "<|im_start|>");
  EXPECT_ERROR(llmdit_tokenizer_token_to_id(&id, tokenizer, "no such token"), LLMDIT_NOT_FOUND, "no such token");
  EXPECT_ERROR(llmdit_tokenizer_token_to_id(&id, tokenizer, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_ERROR(llmdit_tokenizer_id_to_token(&text, tokenizer, INT64_MAX), LLMDIT_NOT_FOUND, "9223372036854775807");
  EXPECT_REFUSED(llmdit_tokenizer, llmdit_tokenizer_token_to_id(&id, handle, "a"));
  EXPECT_REFUSED(llmdit_tokenizer, llmdit_tokenizer_id_to_token(&text, handle, 0));
  EXPECT_NOTHING(llmdit_tokenizer, llmdit_tokenizer_vocab_size(handle));
  llmdit_tokenizer_free(tokenizer);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  EXPECT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static llmdit_templates *read_templates(const char *folder) {
  char path[1024];
  snprintf(path, sizeof(path), "%s/richer.md", folder);
  write_file(path,
             "---\nname: richer\ndescription: More words\ncategory: rewriter\nauthor: me\n---\nWrite one line.\n");
  llmdit_templates *templates = NULL;
  EXPECT_OK(llmdit_templates_read(&templates, path));
  return templates;
}

static void test_templates(const char *folder) {
  llmdit_templates *templates = read_templates(folder), *standard = NULL;
  llmdit_text *text = NULL;
  EXPECT(llmdit_templates_count(templates) == 1);
  llmdit_template_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_templates_describe(&info, templates, 0));
  EXPECT(strcmp(info.name, "richer") == 0 && strcmp(info.category, "rewriter") == 0);
  EXPECT(strcmp(info.system_prompt, "Write one line.") == 0 && !info.add_think_block && strlen(info.path) > 0);
  EXPECT(info.metadata_keys.count == 1 && strcmp(info.metadata_keys.values[0], "author") == 0);
  EXPECT(info.metadata_values.count == 1 && strcmp(info.metadata_values.values[0], "me") == 0);
  size_t index = 9;
  EXPECT_OK(llmdit_templates_find(&index, templates, "richer"));
  EXPECT(index == 0);
  EXPECT_ERROR(llmdit_templates_find(&index, templates, "rich"), LLMDIT_NOT_FOUND, "richer");
  EXPECT_OK(llmdit_templates_search(&text, templates, "words"));
  expect_text(text, "richer");
  EXPECT_OK(llmdit_templates_render(&text, templates, 0, "a cat", LLMDIT_NUL_TERMINATED, NULL));
  EXPECT(strstr(llmdit_text_data(text), "Write one line.") != NULL);
  llmdit_text_free(text);

  llmdit_generate_options options;
  EXPECT_OK(llmdit_generate_options_init(&options));
  options.template_name = "richer";
  EXPECT_ERROR(llmdit_templates_render(&text, templates, 0, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "richer");
  EXPECT_ERROR(llmdit_templates_render(&text, templates, 1, "x", 1, NULL), LLMDIT_INVALID_ARGUMENT, "below 1");
  EXPECT_ERROR(llmdit_templates_describe(&info, templates, 1), LLMDIT_INVALID_ARGUMENT, "below 1");
  info.struct_size = 0;
  EXPECT_ERROR(llmdit_templates_describe(&info, templates, 0), LLMDIT_INVALID_ARGUMENT, "struct_size");
  EXPECT_ERROR(llmdit_templates_read(&standard, "/no/such"), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT_ERROR(llmdit_templates_read(&standard, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_OK(llmdit_templates_load(&standard, NULL));
  EXPECT(llmdit_templates_count(standard) > 10);
  EXPECT_OK(llmdit_templates_search(&text, standard, ""));
  EXPECT(strchr(llmdit_text_data(text), '\n') != NULL);
  llmdit_text_free(text);

  info.struct_size = sizeof(info);
  EXPECT_REFUSED(llmdit_templates, llmdit_templates_describe(&info, handle, 0));
  EXPECT_REFUSED(llmdit_templates, llmdit_templates_find(&index, handle, "a"));
  EXPECT_REFUSED(llmdit_templates, llmdit_templates_search(&text, handle, "a"));
  EXPECT_REFUSED(llmdit_templates, llmdit_templates_render(&text, handle, 0, "x", 1, NULL));
  EXPECT_NOTHING(llmdit_templates, llmdit_templates_count(handle));
  llmdit_templates_free(standard);
  llmdit_templates_free(templates);
  llmdit_templates_free(NULL);
}

static void test_text_encoder(void) {
  const char *prompts[] = {"<|im_start|>user\na cat<|im_end|>\n"};
  const llmdit_texts texts = {prompts, 1};
  llmdit_encoding *encoding = NULL;
  llmdit_text *text = NULL;
  EXPECT_OK(llmdit_text_encoder_encode(&encoding, encoder, &texts, NULL));
  llmdit_tensor *rows = NULL;
  EXPECT_OK(llmdit_encoding_embeddings(&rows, encoding, 0));
  EXPECT(llmdit_tensor_size(rows, 0) == llmdit_encoding_token_count(encoding, 0));
  EXPECT(llmdit_tensor_size(rows, 1) == llmdit_text_encoder_hidden_size(encoder));
  EXPECT_OK(llmdit_text_encoder_fingerprint(&text, encoder));
  EXPECT(llmdit_text_length(text) > 0);
  llmdit_text_free(text);

  /* Hidden states of the layer that encode takes by default are what it gives. */
  llmdit_tokenizer *tokenizer = NULL;
  EXPECT_OK(llmdit_text_encoder_tokenizer(&tokenizer, encoder));
  int64_t ids[64];
  size_t count = 64;
  EXPECT_OK(llmdit_tokenizer_encode(ids, &count, tokenizer, prompts[0], LLMDIT_NUL_TERMINATED));
  llmdit_tokenizer_free(tokenizer);
  const int64_t layers[] = {0, -2}, wrong[] = {0, 1000};
  llmdit_tensor *states[2];
  EXPECT_OK(llmdit_text_encoder_hidden_states(states, encoder, ids, count, layers, 2, NULL));
  const float *a = llmdit_tensor_data(states[1], LLMDIT_FLOAT32), *b = llmdit_tensor_data(rows, LLMDIT_FLOAT32);
  for (int64_t i = 0; i < llmdit_tensor_size(rows, 0) * llmdit_tensor_size(rows, 1); ++i)
    EXPECT(a[i] - b[i] < 1e-3f && b[i] - a[i] < 1e-3f);
  llmdit_tensor_free(states[0]);
  llmdit_tensor_free(states[1]);
  llmdit_tensor_free(rows);
  llmdit_encoding_free(encoding);
  EXPECT_ERROR(llmdit_text_encoder_hidden_states(states, encoder, ids, count, wrong, 2, NULL), LLMDIT_INVALID_ARGUMENT,
               "1000");
  EXPECT(states[0] == NULL && states[1] == NULL);
  EXPECT_ERROR(llmdit_text_encoder_hidden_states(states, encoder, NULL, 3, layers, 2, NULL), LLMDIT_INVALID_ARGUMENT,
               "NULL");
  EXPECT_ERROR(llmdit_text_encoder_hidden_states(NULL, encoder, ids, count, layers, 2, NULL), LLMDIT_INVALID_ARGUMENT,
               "place");
  EXPECT_ERROR(llmdit_text_encoder_encode(&encoding, encoder, NULL, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  llmdit_text_encoder *none = NULL;
  EXPECT_ERROR(llmdit_text_encoder_load(&none, "/no/such", NULL), LLMDIT_NOT_FOUND, "/no/such");
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_encode(&encoding, handle, &texts, NULL));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_fingerprint(&text, handle));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_tokenizer(&tokenizer, handle));
  EXPECT_REFUSED(llmdit_text_encoder,
                 llmdit_text_encoder_hidden_states(states, handle, ids, count, layers, 2, NULL));
  EXPECT_NOTHING(llmdit_text_encoder, llmdit_text_encoder_hidden_size(handle));
}

struct written {
  int64_t tokens, stop_at;
  size_t bytes;
  llmdit_cancellation *cancellation;
};

static int on_token(const llmdit_token_info *info, void *payload) {
  struct written *written = payload;
  EXPECT(info->struct_size == sizeof(*info) && info->step == written->tokens && info->text_length == strlen(info->text));
  ++written->tokens;
  written->bytes += info->text_length;
  if (written->cancellation) EXPECT_OK(llmdit_cancellation_request(written->cancellation));
  return written->tokens == written->stop_at;
}

static void test_generated_text(void) {
  llmdit_text_options options;
  EXPECT_OK(llmdit_text_options_init(&options));
  EXPECT(options.max_new_tokens == 512 && options.temperature > 0 && options.seed == NULL);
  struct written written = {0, 0, 0, NULL};
  const uint64_t seed = 3;
  options.seed = &seed;
  options.max_new_tokens = 6;
  options.temperature = 0;
  options.on_token = on_token;
  options.on_token_payload = &written;
  const char *prompt = "<|im_start|>user\na cat<|im_end|>\n<|im_start|>assistant\n";
  llmdit_generated_text *generated = NULL;
  EXPECT_OK(llmdit_text_encoder_generate(&generated, encoder, prompt, LLMDIT_NUL_TERMINATED, &options));
  llmdit_generated_text_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_generated_text_describe(&info, generated));
  EXPECT(info.token_count > 0 && info.token_count <= 6 && (int64_t)info.token_count == written.tokens);
  EXPECT(info.seed == 3 && info.prompt_tokens > 0 && info.seconds >= info.prompt_seconds);
  EXPECT((info.finish_reason == LLMDIT_FINISH_STOP) == (info.stop_id != NULL));
  EXPECT(info.text_length == strlen(info.text));
  const int64_t first = info.token_ids[0];
  llmdit_generated_text_free(generated);

  written = (struct written){0, 1, 0, NULL}; /* the callback ends the text */
  EXPECT_OK(llmdit_text_encoder_generate(&generated, encoder, prompt, LLMDIT_NUL_TERMINATED, &options));
  EXPECT_OK(llmdit_generated_text_describe(&info, generated));
  EXPECT(info.finish_reason == LLMDIT_FINISH_REQUEST && info.token_count == 1);
  llmdit_generated_text_free(generated);

  options.stop_ids = &first; /* a token of the caller's does */
  options.stop_ids_count = 1;
  EXPECT_OK(llmdit_text_encoder_generate(&generated, encoder, prompt, LLMDIT_NUL_TERMINATED, &options));
  EXPECT_OK(llmdit_generated_text_describe(&info, generated));
  EXPECT(info.token_count == 0 && info.stop_id != NULL && *info.stop_id == first);
  llmdit_generated_text_free(generated);
  options.stop_ids = NULL;
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, prompt, LLMDIT_NUL_TERMINATED, &options),
               LLMDIT_INVALID_ARGUMENT, "NULL");
  options.stop_ids_count = 0;

  written = (struct written){0, 0, 0, NULL}; /* a cancellation, from within the callback */
  EXPECT_OK(llmdit_cancellation_create(&written.cancellation));
  options.cancellation = written.cancellation;
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, prompt, LLMDIT_NUL_TERMINATED, &options),
               LLMDIT_CANCELLED, "");
  EXPECT(generated == NULL && written.tokens == 1);
  llmdit_cancellation_free(written.cancellation);
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, "x", 1, &options), LLMDIT_INVALID_ARGUMENT,
               "llmdit_cancellation");
  options.cancellation = NULL;

  options.top_p = 7;
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "top_p");
  options.struct_size = 1;
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, "x", 1, &options), LLMDIT_INVALID_ARGUMENT,
               "struct_size");
  options.struct_size = offsetof(llmdit_text_options, seed) + 1; /* in the middle of a pointer */
  EXPECT_ERROR(llmdit_text_encoder_generate(&generated, encoder, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "seed");
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_text_encoder_generate(&generated, handle, "x", 1, NULL));
  EXPECT_REFUSED(llmdit_generated_text, llmdit_generated_text_describe(&info, handle));
  EXPECT_ERROR(llmdit_text_options_init(NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  llmdit_generated_text_free(NULL);
}

static void test_rewriting(const char *folder) {
  llmdit_templates *templates = read_templates(folder);
  llmdit_chat *chat = NULL;
  llmdit_answer *answer = NULL;
  EXPECT_OK(llmdit_chat_from_text_encoder(&chat, encoder));
  EXPECT(!llmdit_chat_takes_images(chat));
  llmdit_rewrite_options options;
  EXPECT_OK(llmdit_rewrite_options_init(&options));
  EXPECT(options.enable_thinking && options.temperature == NULL);
  const double temperature = 0;
  struct written written = {0, 0, 0, NULL};
  options.rewriter = "richer";
  options.enable_thinking = false;
  options.temperature = &temperature;
  options.max_new_tokens = 8;
  options.on_token = on_token;
  options.on_token_payload = &written;
  EXPECT_OK(llmdit_chat_rewrite(&answer, chat, templates, "a cat", LLMDIT_NUL_TERMINATED, &options));
  llmdit_answer_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_answer_describe(&info, answer));
  EXPECT(info.prompt_length > 0 && info.new_tokens > 0 && info.new_tokens <= 8 && written.tokens == info.new_tokens);
  EXPECT(strcmp(info.rewriter, "richer") == 0 && strcmp(info.system_prompt, "Write one line.") == 0);
  EXPECT(info.seed != NULL && strlen(info.model) > 0);
  EXPECT((llmdit_answer_warning_count(answer) > 0) == (info.finish_reason == LLMDIT_FINISH_LENGTH));
  EXPECT(llmdit_answer_warning(answer, 99) == NULL);
  llmdit_answer_free(answer);

  options.rewriter = "poorer";
  EXPECT_ERROR(llmdit_chat_rewrite(&answer, chat, templates, "x", 1, &options), LLMDIT_NOT_FOUND, "poorer");
  EXPECT_ERROR(llmdit_chat_ask(&answer, chat, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "poorer");
  options.rewriter = "";
  EXPECT_ERROR(llmdit_chat_rewrite(&answer, chat, NULL, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "rewriter");
  options.system_prompt = "Answer.";
  written = (struct written){0, 0, 0, NULL};
  EXPECT_OK(llmdit_chat_ask(&answer, chat, "a cat", LLMDIT_NUL_TERMINATED, &options));
  EXPECT_OK(llmdit_answer_describe(&info, answer));
  EXPECT(strcmp(info.rewriter, "") == 0 && strcmp(info.system_prompt, "Answer.") == 0 && info.text_length > 0);
  llmdit_answer_free(answer);
  written = (struct written){0, 0, 0, NULL};
  EXPECT_OK(llmdit_cancellation_create(&written.cancellation));
  options.cancellation = written.cancellation;
  EXPECT_ERROR(llmdit_chat_ask(&answer, chat, "x", 1, &options), LLMDIT_CANCELLED, "");
  llmdit_cancellation_free(written.cancellation);
  options.cancellation = NULL;
  options.on_token = NULL;

  const uint8_t pixels[3] = {0, 0, 0};
  llmdit_image *image = NULL;
  EXPECT_OK(llmdit_image_from_pixels(&image, pixels, 1, 1));
  options.image = image;
  EXPECT_ERROR(llmdit_chat_rewrite(&answer, chat, templates, "x", 1, &options), LLMDIT_INVALID_ARGUMENT, "image");
  options.image = NULL;
  llmdit_image_free(image);
  EXPECT_ERROR(llmdit_chat_rewrite(&answer, chat, templates, NULL, 0, &options), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT(answer == NULL);

  EXPECT_REFUSED(llmdit_chat, llmdit_chat_ask(&answer, handle, "x", 1, NULL));
  EXPECT_REFUSED(llmdit_chat, llmdit_chat_rewrite(&answer, handle, NULL, "x", 1, NULL));
  EXPECT_REFUSED(llmdit_text_encoder, llmdit_chat_from_text_encoder(&chat, handle));
  EXPECT_REFUSED(llmdit_answer, llmdit_answer_describe(&info, handle));
  EXPECT_NOTHING(llmdit_chat, llmdit_chat_takes_images(handle));
  EXPECT_NOTHING(llmdit_answer, llmdit_answer_warning_count(handle));
  EXPECT_NOTHING(llmdit_answer, llmdit_answer_warning(handle, 0));
  llmdit_chat_free(chat);
  llmdit_templates_free(templates);
}

static void test_answers(void) {
  llmdit_answer *answer = NULL;
  llmdit_text *text = NULL;
  const char *said = "<think>\nhm\n</think>\n{\"prompt\": \"a cat\", \"size\": [1, 2]}";
  EXPECT_OK(llmdit_parse_answer(&answer, said, LLMDIT_NUL_TERMINATED, false));
  llmdit_answer_info info = {.struct_size = sizeof(info)};
  EXPECT_OK(llmdit_answer_describe(&info, answer));
  EXPECT(info.thinking_length == 2 && strcmp(info.thinking, "hm") == 0 && strcmp(info.text, said) == 0);
  EXPECT_OK(llmdit_answer_field(&text, answer, "prompt"));
  expect_text(text, "a cat");
  EXPECT_OK(llmdit_answer_field(&text, answer, "size"));
  expect_text(text, "[1,2]");
  EXPECT_ERROR(llmdit_answer_field(&text, answer, "weight"), LLMDIT_NOT_FOUND, "weight");
  EXPECT_ERROR(llmdit_answer_field(&text, answer, NULL), LLMDIT_INVALID_ARGUMENT, "NULL");
  llmdit_answer_free(answer);
  EXPECT_OK(llmdit_parse_answer(&answer, "a cat", 5, true));
  EXPECT_OK(llmdit_answer_describe(&info, answer));
  EXPECT(info.thinking == NULL && strcmp(info.prompt, "a cat") == 0);
  EXPECT_ERROR(llmdit_answer_field(&text, answer, "prompt"), LLMDIT_UNSUPPORTED, "JSON");
  llmdit_answer_free(answer);
  EXPECT_ERROR(llmdit_parse_answer(&answer, NULL, 0, true), LLMDIT_INVALID_ARGUMENT, "NULL");
  EXPECT_REFUSED(llmdit_answer, llmdit_answer_field(&text, handle, "a"));
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s OUTPUT_FOLDER\n", argv[0]);
    return 2;
  }
  EXPECT_OK(llmdit_text_encoder_load(&encoder, NULL, NULL));
  test_conversations();
  test_tokenizer();
  test_templates(argv[1]);
  test_text_encoder();
  test_generated_text();
  test_rewriting(argv[1]);
  test_answers();
  llmdit_text_encoder_free(encoder);
  return 0;
}
