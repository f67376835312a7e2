#include "llmdit/chat_backend.hpp"

#include "base/check.hpp"
#include "llmdit/chat.hpp"
#include "pipeline/chat_form.hpp"

namespace llmdit {

ChatBackend::~ChatBackend() = default;

SamplingOptions qwen3_sampling(bool enable_thinking) {
  SamplingOptions sampling;
  if (enable_thinking) return sampling;
  sampling.temperature = 0.7;
  sampling.top_p = 0.8;
  return sampling;
}

SamplingOptions chosen_sampling(const ChatRequest& request, SamplingOptions sampling) {
  sampling.temperature = request.temperature.value_or(sampling.temperature);
  sampling.top_k = request.top_k.value_or(sampling.top_k);
  sampling.top_p = request.top_p.value_or(sampling.top_p);
  sampling.min_p = request.min_p.value_or(sampling.min_p);
  sampling.repetition_penalty = request.repetition_penalty.value_or(sampling.repetition_penalty);
  sampling.presence_penalty = request.presence_penalty.value_or(sampling.presence_penalty);
  return sampling;
}

ChatReply LocalChatBackend::chat(const ChatRequest& request) const {
  check(!request.image.has_value(), "chat",
        "expected a text, got an image; the text encoder sees none, a Qwen3-VL model or a server does");
  // Qwen3 thinks where it is not told otherwise; its Thinking models always do, and the request has no say in it.
  const bool opens_block = opens_think_block(encoder_.tokenizer().path().parent_path());
  const bool thinks = request.enable_thinking || opens_block;
  const std::string opening(opens_block ? think_opening : "");
  const std::string text =
      format_prompt(request.prompt, {.system_prompt = request.system_prompt, .force_think_block = !thinks}) + opening;
  TextGenerationOptions options{.sampling = chosen_sampling(request, qwen3_sampling(thinks)),
                                .max_new_tokens = request.max_new_tokens,
                                .seed = request.seed,
                                .on_token = request.on_token,
                                .stop = request.stop};
  const GeneratedText written = encoder_.generate(text, options);
  return {.text = opening + written.text,
          .finish_reason = written.finish_reason,
          .prompt_tokens = written.prompt_tokens,
          .new_tokens = static_cast<int64_t>(written.token_ids.size()),
          .seed = written.seed,
          .model = encoder_.path().string()};
}

}  // namespace llmdit
