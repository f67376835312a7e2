#include "capi/option_links.hpp"
#include "capi/options.hpp"

namespace llmdit::capi {
namespace {

TokenCallback read_callback(llmdit_token_callback on_token, void* payload) {
  if (!on_token) return {};
  return [on_token, payload](const TokenInfo& token) {
    const llmdit_token_info shown{.struct_size = sizeof(shown),
                                  .step = token.step,
                                  .id = token.id,
                                  .text = token.text.c_str(),
                                  .text_length = token.text.size()};
    return on_token(&shown, payload) != 0;
  };
}

}  // namespace

std::span<const Link> Struct<TextGenerationOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, max_new_tokens),
      LLMDIT_LINK(type, seed),
      LLMDIT_LINK(type, temperature),
      LLMDIT_LINK(type, top_k),
      LLMDIT_LINK(type, top_p),
      LLMDIT_LINK(type, min_p),
      LLMDIT_LINK(type, repetition_penalty),
      LLMDIT_LINK(type, presence_penalty),
  };
  return links;
}

std::span<const Link> Struct<RewriteOptions>::links() {
  static const Link links[] = {
      LLMDIT_LINK(type, rewriter),
      LLMDIT_LINK(type, system_prompt),
      LLMDIT_LINK(type, enable_thinking),
      LLMDIT_LINK(type, max_new_tokens),
      LLMDIT_LINK(type, seed),
      LLMDIT_LINK(type, temperature),
      LLMDIT_LINK(type, top_k),
      LLMDIT_LINK(type, top_p),
      LLMDIT_LINK(type, min_p),
      LLMDIT_LINK(type, repetition_penalty),
      LLMDIT_LINK(type, presence_penalty),
  };
  return links;
}

TextGenerationOptions read_options(const llmdit_text_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_text_options current = current_struct<TextGenerationOptions>(*given, operation);
  TextGenerationOptions options = read_fields<TextGenerationOptions>(current);
  const auto stop_ids = read_list(current.stop_ids, current.stop_ids_count, "stop_ids");
  options.stop_ids.assign(stop_ids.begin(), stop_ids.end());
  options.on_token = read_callback(current.on_token, current.on_token_payload);
  options.stop = read_stop(current.cancellation, "cancellation");
  return options;
}

RewriteOptions read_options(const llmdit_rewrite_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_rewrite_options current = current_struct<RewriteOptions>(*given, operation);
  RewriteOptions options = read_fields<RewriteOptions>(current);
  if (current.image) options.image = *borrow(current.image, "image")->value;
  options.on_token = read_callback(current.on_token, current.on_token_payload);
  options.stop = read_stop(current.cancellation, "cancellation");
  return options;
}

}  // namespace llmdit::capi

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_text_options_init_sized(llmdit_text_options* options, size_t struct_size) {
  return init<TextGenerationOptions>(options, struct_size, "text_options_init");
}

llmdit_status llmdit_rewrite_options_init_sized(llmdit_rewrite_options* options, size_t struct_size) {
  return init<RewriteOptions>(options, struct_size, "rewrite_options_init");
}
