#include "capi/encoder.hpp"
#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// A server of chats has one kind of API, and no layers.
void check_chat_options(const RemoteEncoderOptions& options, std::string_view operation) {
  const RemoteEncoderOptions defaults;
  check(options.api == defaults.api && options.layer_ids.empty() && !options.folder, operation,
        "expected no encoder_api, api_layer_ids and api_folder, which have no effect here");
}

/// NULL is no text, where a picture may stand for it.
std::string_view read_prompt(const char* prompt, size_t length, const RewriteOptions& options,
                             std::string_view operation) {
  return prompt || !options.image ? read_text(prompt, length, operation) : std::string_view();
}

}  // namespace

llmdit_status llmdit_chat_from_text_encoder(llmdit_chat** chat, const llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "chat_from_text_encoder";
    llmdit_chat*& place = output(chat, operation);
    const auto held = borrow(encoder, operation);
    place = make_handle(llmdit_chat{std::make_shared<const LocalChatBackend>(local_encoder(*held, operation))});
  });
}

llmdit_status llmdit_chat_from_vl_encoder(llmdit_chat** chat, const llmdit_vl_encoder* encoder) {
  return guarded([&] {
    llmdit_chat*& place = output(chat, "chat_from_vl_encoder");
    const auto held = borrow(encoder, "chat_from_vl_encoder");
    place = make_handle(llmdit_chat{std::make_shared<const VLChatBackend>(held->value)});
  });
}

llmdit_status llmdit_chat_connect(llmdit_chat** chat, const llmdit_remote_options* remote) {
  return guarded([&] {
    llmdit_chat*& place = output(chat, "chat_connect");
    const RemoteEncoderOptions options = read_options(remote, "chat_connect");
    check_chat_options(options, "chat_connect");
    place = make_handle(llmdit_chat{std::make_shared<const RemoteChatBackend>(options.server, options.model)});
  });
}

bool llmdit_chat_takes_images(const llmdit_chat* chat) {
  return guarded_value(false, [&] { return borrow(chat, "chat_takes_images")->value->takes_images(); });
}

llmdit_status llmdit_chat_ask(llmdit_answer** answer, const llmdit_chat* chat, const char* prompt, size_t prompt_length,
                              const llmdit_rewrite_options* options) {
  return guarded([&] {
    const char* operation = "chat_ask";
    llmdit_answer*& place = output(answer, operation);
    const auto held = borrow(chat, operation);
    const RewriteOptions read = read_options(options, operation);
    place = make_handle(llmdit_answer{ask(*held->value, read_prompt(prompt, prompt_length, read, operation), read)});
  });
}

llmdit_status llmdit_chat_rewrite(llmdit_answer** answer, const llmdit_chat* chat, const llmdit_templates* templates,
                                  const char* prompt, size_t prompt_length, const llmdit_rewrite_options* options) {
  return guarded([&] {
    const char* operation = "chat_rewrite";
    llmdit_answer*& place = output(answer, operation);
    const auto held = borrow(chat, operation);
    const RewriteOptions read = read_options(options, operation);
    const PromptRewriter rewriter(held->value,
                                  templates ? borrow(templates, operation)->value : TemplateRegistry::standard());
    place = make_handle(llmdit_answer{rewriter.rewrite(read_prompt(prompt, prompt_length, read, operation), read)});
  });
}

void llmdit_chat_free(llmdit_chat* chat) { free_handle(chat); }

llmdit_status llmdit_parse_answer(llmdit_answer** answer, const char* text, size_t text_length, bool only_tags) {
  return guarded([&] {
    const char* operation = "parse_answer";
    llmdit_answer*& place = output(answer, operation);
    const std::string_view whole = read_text(text, text_length, operation);
    ParsedAnswer parsed = parse_answer(whole, read_bool(only_tags, "only_tags"));
    place = make_handle(llmdit_answer{
        {.prompt = std::move(parsed.prompt), .thinking = std::move(parsed.thinking), .text = std::string(whole)}});
  });
}

llmdit_status llmdit_answer_describe(llmdit_answer_info* info, const llmdit_answer* answer) {
  return guarded([&] {
    const auto held = borrow(answer, "answer_describe");
    const RewrittenPrompt& value = held->value;
    copy_struct(info,
                llmdit_answer_info{.struct_size = 0,
                                   .prompt = value.prompt.c_str(),
                                   .prompt_length = value.prompt.size(),
                                   .thinking = value.thinking ? value.thinking->c_str() : nullptr,
                                   .thinking_length = value.thinking ? value.thinking->size() : 0,
                                   .text = value.text.c_str(),
                                   .text_length = value.text.size(),
                                   .rewriter = value.rewriter.c_str(),
                                   .system_prompt = value.system_prompt.c_str(),
                                   .finish_reason = static_cast<llmdit_finish_reason>(value.finish_reason),
                                   .prompt_tokens = value.prompt_tokens,
                                   .new_tokens = value.new_tokens,
                                   .seed = value.seed ? &*value.seed : nullptr,
                                   .model = value.model.c_str()},
                "answer_describe");
  });
}

llmdit_status llmdit_answer_field(llmdit_text** value, const llmdit_answer* answer, const char* name) {
  return guarded([&] {
    const char* operation = "answer_field";
    llmdit_text*& place = output(value, operation);
    const std::string_view wanted = read_text(name, LLMDIT_NUL_TERMINATED, operation);
    auto field = answer_field(borrow(answer, operation)->value.prompt, wanted);
    if (!field) throw Error(ErrorCode::not_found, fmt::format("[{}] the answer has no '{}'", operation, wanted));
    place = make_text(std::move(*field));
  });
}

size_t llmdit_answer_warning_count(const llmdit_answer* answer) {
  return count_of(answer, "answer_warning_count", [](const auto& held) -> const auto& { return held.value.warnings; });
}

const char* llmdit_answer_warning(const llmdit_answer* answer, size_t index) {
  return text_at(answer, index, "answer_warning", [](const auto& held) -> const auto& { return held.value.warnings; });
}

void llmdit_answer_free(llmdit_answer* answer) { free_handle(answer); }
