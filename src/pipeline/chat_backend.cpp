#include "llmdit/chat_backend.hpp"

#include "base/check.hpp"
#include "base/option_table.hpp"
#include "llmdit/chat.hpp"
#include "pipeline/chat_form.hpp"

namespace llmdit {
namespace {

using Options = RewriterModelOptions;

constexpr double max_seconds = 1e6;

constexpr OptionField model_fields[] = {
    field<Options, "rewriter_use_api", &Options::use_api>(
        {.section = "rewriter",
         .help = "ask a server, not a model here; default where a url is given",
         .flag = "use-api",
         .is_fine_point = true}),
    field<Options, "rewriter_api_url", &Options::api_url>(
        {.section = "rewriter",
         .help = "server of OpenAI's chat API instead of a model here; empty: api.url",
         .flag = "url"}),
    field<Options, "rewriter_api_model", &Options::api_model>(
        {.section = "rewriter", .help = "model of the server; empty: its only one", .flag = "api-model"}),
    field<Options, "rewriter_vl_api_model", &Options::vl_api_model>(
        {.section = "rewriter",
         .help = "model of the server for pictures, also where texts stay here; empty: as for texts",
         .flag = "vl-api-model",
         .is_fine_point = true}),
    field<Options, "rewriter_timeout", &Options::timeout>({.section = "rewriter",
                                                           .help = "patience for an answer of the server",
                                                           .unit = "seconds",
                                                           .flag = "timeout",
                                                           .minimum = 0.001,
                                                           .maximum = max_seconds}),
    field<Options, "rewriter_vl_enabled", &Options::vl_enabled>({.section = "rewriter",
                                                                 .help = "pictures may be given; off: they are refused",
                                                                 .flag = "vl",
                                                                 .alias = "!rewriter-no-vl",
                                                                 .is_fine_point = true}),
    field<Options, "rewriter_preload_vl", &Options::preload_vl>(
        {.section = "rewriter",
         .help = "load Qwen3-VL at once, not at the first picture",
         .flag = "preload-vl",
         .is_fine_point = true}),
};

}  // namespace

template <>
std::span<const OptionField> option_fields<RewriterModelOptions>() {
  return model_fields;
}

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
        "expected no image, this model reads text only; use a Qwen3-VL model or a server");
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
