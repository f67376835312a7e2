#include "llmdit/vl_chat_backend.hpp"

#include "pipeline/chat_form.hpp"

namespace llmdit {

ChatReply VLChatBackend::chat(const ChatRequest& request) const {
  // An Instruct model never thinks and a Thinking one always does: the request has no say in it.
  const bool thinks = model_.model_variant() == "thinking";
  const TextGenerationOptions options{.sampling = chosen_sampling(request, qwen3_sampling(thinks)),
                                      .max_new_tokens = request.max_new_tokens,
                                      .seed = request.seed,
                                      .on_token = request.on_token,
                                      .stop = request.stop};
  GeneratedText written =
      model_.generate(request.image ? &*request.image : nullptr, request.prompt, options, request.system_prompt);
  return {.text = std::string(thinks ? think_opening : "") + written.text,
          .finish_reason = written.finish_reason,
          .prompt_tokens = written.prompt_tokens,
          .new_tokens = static_cast<int64_t>(written.token_ids.size()),
          .seed = written.seed,
          .model = model_.path().string()};
}

}  // namespace llmdit
