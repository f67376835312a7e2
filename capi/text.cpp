#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_format_prompt(llmdit_text** text, const char* prompt, size_t prompt_length,
                                   const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "format_prompt";
    llmdit_text*& place = output(text, operation);
    const ChatOptions chat = read_options(options, operation).chat;
    place = make_text(format_prompt(read_text(prompt, prompt_length, operation), chat));
  });
}

llmdit_status llmdit_tokenizer_load(llmdit_tokenizer** tokenizer, const char* path) {
  return guarded([&] {
    llmdit_tokenizer*& place = output(tokenizer, "tokenizer_load");
    place = make_handle(llmdit_tokenizer{Tokenizer::load(read_path(path, "tokenizer_load"))});
  });
}

llmdit_status llmdit_tokenizer_encode(int64_t* ids, size_t* count, const llmdit_tokenizer* tokenizer, const char* text,
                                      size_t text_length) {
  return guarded([&] {
    const char* operation = "tokenizer_encode";
    const auto encoded = borrow(tokenizer, operation)->value.encode(read_text(text, text_length, operation));
    if (wants_items(count, ids != nullptr, encoded.size(), operation)) std::ranges::copy(encoded, ids);
  });
}

llmdit_status llmdit_tokenizer_decode(llmdit_text** text, const llmdit_tokenizer* tokenizer, const int64_t* ids,
                                      size_t count, bool skip_special_tokens) {
  return guarded([&] {
    const char* operation = "tokenizer_decode";
    llmdit_text*& place = output(text, operation);
    const bool skips = read_bool(skip_special_tokens, "skip_special_tokens");
    place = make_text(borrow(tokenizer, operation)->value.decode(read_list(ids, count, operation), skips));
  });
}

int64_t llmdit_tokenizer_vocab_size(const llmdit_tokenizer* tokenizer) {
  return guarded_value<int64_t>(0, [&] { return borrow(tokenizer, "tokenizer_vocab_size")->value.vocab_size(); });
}

llmdit_status llmdit_tokenizer_token_to_id(int64_t* id, const llmdit_tokenizer* tokenizer, const char* token) {
  return guarded([&] {
    const char* operation = "tokenizer_token_to_id";
    int64_t& place = output(id, operation);
    const std::string_view text = read_text(token, LLMDIT_NUL_TERMINATED, operation);
    const auto found = borrow(tokenizer, operation)->value.token_to_id(text);
    if (!found) throw Error(ErrorCode::not_found, fmt::format("[{}] there is no token '{}'", operation, text));
    place = *found;
  });
}

llmdit_status llmdit_tokenizer_id_to_token(llmdit_text** token, const llmdit_tokenizer* tokenizer, int64_t id) {
  return guarded([&] {
    const char* operation = "tokenizer_id_to_token";
    llmdit_text*& place = output(token, operation);
    auto found = borrow(tokenizer, operation)->value.id_to_token(id);
    if (!found) throw Error(ErrorCode::not_found, fmt::format("[{}] no token has the id {}", operation, id));
    place = make_text(std::move(*found));
  });
}

void llmdit_tokenizer_free(llmdit_tokenizer* tokenizer) { free_handle(tokenizer); }

llmdit_status llmdit_render_conversation(llmdit_text** text, const llmdit_message* messages, size_t count,
                                         bool enable_thinking, bool is_final) {
  return guarded([&] {
    const char* operation = "render_conversation";
    llmdit_text*& place = output(text, operation);
    check(messages != nullptr || count == 0, operation, "expected {} messages, got NULL", count);
    Conversation conversation{.enable_thinking = read_bool(enable_thinking, "enable_thinking"),
                              .is_final = read_bool(is_final, "is_final")};
    for (const llmdit_message& message : std::span(messages, count)) {
      const std::string_view name = read_text(message.role, LLMDIT_NUL_TERMINATED, operation);
      const auto role = parse_role(name);
      check(role.has_value(), operation, "expected the role system, user or assistant, got '{}'", name);
      conversation.messages.push_back(
          {.role = *role,
           .content = std::string(read_text(message.content, LLMDIT_NUL_TERMINATED, operation)),
           .thinking = message.thinking ? message.thinking : ""});
    }
    place = make_text(render(conversation));
  });
}
