#include "capi/handles.hpp"
#include "capi/options.hpp"

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_format_prompt(llmdit_text** text, const char* prompt, size_t prompt_length,
                                   const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "format_prompt";
    llmdit_text*& place = output(text, operation);
    const ChatOptions chat = read_options(options, operation).chat;
    place = make_handle(llmdit_text{format_prompt(read_text(prompt, prompt_length, operation), chat)});
  });
}

llmdit_status llmdit_tokenizer_load(llmdit_tokenizer** tokenizer, const char* path) {
  return guarded([&] {
    llmdit_tokenizer*& place = output(tokenizer, "tokenizer_load");
    check(path != nullptr, "tokenizer_load", "expected a path, got NULL");
    place = make_handle(llmdit_tokenizer{Tokenizer::load(path)});
  });
}

llmdit_status llmdit_tokenizer_encode(int64_t* ids, size_t* count, const llmdit_tokenizer* tokenizer, const char* text,
                                      size_t text_length) {
  return guarded([&] {
    const char* operation = "tokenizer_encode";
    check(count != nullptr, operation, "expected a place for the number of ids, got NULL");
    const size_t room = ids ? *count : 0;
    const auto encoded = borrow(tokenizer, operation)->value.encode(read_text(text, text_length, operation));
    *count = encoded.size();
    if (!ids) return;
    check(encoded.size() <= room, operation, "expected room for {} ids, got {}", encoded.size(), room);
    std::copy(encoded.begin(), encoded.end(), ids);
  });
}

llmdit_status llmdit_tokenizer_decode(llmdit_text** text, const llmdit_tokenizer* tokenizer, const int64_t* ids,
                                      size_t count, bool skip_special_tokens) {
  return guarded([&] {
    const char* operation = "tokenizer_decode";
    llmdit_text*& place = output(text, operation);
    check(ids != nullptr || count == 0, operation, "expected {} ids, got NULL", count);
    place = make_handle(
        llmdit_text{borrow(tokenizer, operation)->value.decode(std::span(ids, count), skip_special_tokens)});
  });
}

void llmdit_tokenizer_free(llmdit_tokenizer* tokenizer) { free_handle(tokenizer); }

llmdit_status llmdit_device_names(llmdit_text** names) {
  return guarded([&] {
    llmdit_text*& place = output(names, "device_names");
    std::string lines;
    for (const DeviceInfo& device : available_devices()) lines += (lines.empty() ? "" : "\n") + device.name;
    place = make_handle(llmdit_text{std::move(lines)});
  });
}

llmdit_status llmdit_demo_model_path(llmdit_text** path) {
  return guarded([&] {
    llmdit_text*& place = output(path, "demo_model_path");
    place = make_handle(llmdit_text{demo_model_path().string()});
  });
}
