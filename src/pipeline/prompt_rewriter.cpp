#include "llmdit/prompt_rewriter.hpp"

#include "base/blanks.hpp"
#include "base/check.hpp"
#include "io/encoding.hpp"
#include "sampling/sampling_fields.hpp"

namespace llmdit {
namespace {

using Options = RewriteOptions;

constexpr std::string_view category = "rewriter";

constexpr OptionField fields[] = {
    field<Options, "rewriter", &Options::rewriter>(
        {.section = "rewriter", .help = "template of the category rewriter, see `llmdit templates`"}),
    field<Options, "system_prompt", &Options::system_prompt>(
        {.section = "rewriter", .help = "own instructions instead of a rewriter's"}),
    field<Options, "enable_thinking", &Options::enable_thinking>(
        {.section = "rewriter", .help = "the model thinks before it answers", .flag = "thinking"}),
    field<Options, "max_new_tokens", &Options::max_new_tokens>(sampling_fields::max_new_tokens),
    field<Options, "seed", &Options::seed>(sampling_fields::seed),
    field<Options, "temperature", &Options::temperature>(sampling_fields::temperature),
    field<Options, "top_k", &Options::top_k>(sampling_fields::top_k),
    field<Options, "top_p", &Options::top_p>(sampling_fields::top_p),
    field<Options, "min_p", &Options::min_p>(sampling_fields::min_p),
    field<Options, "repetition_penalty", &Options::repetition_penalty>(sampling_fields::repetition_penalty),
    field<Options, "presence_penalty", &Options::presence_penalty>(sampling_fields::presence_penalty),
};

constexpr std::string_view describe_picture =
    "Describe the picture so that an image model could paint it again from your words alone: the subject, its parts "
    "and "
    "where they are, the setting, light, colours, style and mood, and any text in quotes. Answer with the description "
    "as one paragraph and nothing else.";

RewrittenPrompt answer_of(const ChatBackend& backend, std::string_view prompt, const RewriteOptions& options,
                          bool only_tags) {
  RewrittenPrompt result{.system_prompt = options.system_prompt.value_or("")};
  ChatReply reply = backend.chat({.system_prompt = result.system_prompt,
                                  .prompt = std::string(prompt),
                                  .image = options.image,
                                  .enable_thinking = options.enable_thinking,
                                  .temperature = options.temperature,
                                  .top_p = options.top_p,
                                  .min_p = options.min_p,
                                  .repetition_penalty = options.repetition_penalty,
                                  .presence_penalty = options.presence_penalty,
                                  .top_k = options.top_k,
                                  .max_new_tokens = options.max_new_tokens,
                                  .seed = options.seed,
                                  .on_token = options.on_token,
                                  .stop = options.stop});
  ParsedAnswer answer = parse_answer(reply.text, only_tags);
  result.prompt = std::move(answer.prompt);
  result.thinking = reply.reasoning ? std::move(reply.reasoning) : std::move(answer.thinking);
  result.text = std::move(reply.text);
  result.finish_reason = reply.finish_reason;
  result.prompt_tokens = reply.prompt_tokens;
  result.new_tokens = reply.new_tokens;
  result.seed = reply.seed;
  result.model = std::move(reply.model);
  return result;
}

/// A prompt, or the reason why there is none.
void check_answer(RewrittenPrompt& result, int64_t max_new_tokens) {
  const bool is_cut = result.finish_reason == FinishReason::length;
  if (result.prompt.empty() && is_cut) {
    fail(ErrorCode::invalid_argument, "rewrite",
         "expected a prompt within {} tokens, got thinking to their end; raise max_new_tokens or turn thinking off",
         max_new_tokens);
  }
  if (result.prompt.empty() && result.finish_reason == FinishReason::request)
    fail(ErrorCode::cancelled, "rewrite", std::string_view("stopped by on_token before the prompt"));
  if (result.prompt.empty()) {
    fail(ErrorCode::internal, "rewrite", "expected a prompt in the model's answer, got '{}'",
         io::printable(result.text));
  }
  if (is_cut)
    result.warnings.push_back(fmt::format("the prompt was cut after {} tokens (max_new_tokens)", max_new_tokens));
}

}  // namespace

template <>
std::span<const OptionField> option_fields<RewriteOptions>() {
  return fields;
}

RewrittenPrompt ask(const ChatBackend& backend, std::string_view prompt, const RewriteOptions& options) {
  check_options(options);
  check(options.rewriter.empty(), "ask", "expected no rewriter, got '{}'; give its text as system_prompt",
        options.rewriter);
  return answer_of(backend, prompt, options, /*only_tags=*/true);
}

PromptRewriter::PromptRewriter(std::shared_ptr<const ChatBackend> backend, TemplateRegistry templates)
    : backend_(std::move(backend)), templates_(std::move(templates)) {
  check(backend_ != nullptr, "rewrite", "expected a model that answers, got none");
}

std::vector<std::string> PromptRewriter::rewriters() const { return templates_.in_category(category); }

std::string PromptRewriter::instructions(const RewriteOptions& options) const {
  if (options.system_prompt && !is_blank(*options.system_prompt)) return std::string(trimmed(*options.system_prompt));
  if (!options.rewriter.empty()) {
    const Template& chosen = templates_.at(options.rewriter);
    check(chosen.category == category, "rewriter", "expected one of {}, got '{}', a template of the category '{}'",
          fmt::join(rewriters(), ", "), options.rewriter, chosen.category);
    return chosen.system_prompt;
  }
  check(options.image.has_value(), "rewrite", "expected a rewriter or own instructions, got neither; rewriters are {}",
        fmt::join(rewriters(), ", "));
  return std::string(describe_picture);
}

RewrittenPrompt PromptRewriter::rewrite(std::string_view prompt, const RewriteOptions& options) const {
  check_options(options);
  check(!is_blank(prompt) || options.image, "rewrite", "expected a prompt or an image, got neither");
  RewriteOptions question = options;
  question.system_prompt = instructions(options);
  RewrittenPrompt result = answer_of(*backend_, prompt, question, /*only_tags=*/options.image.has_value());
  if (!options.system_prompt || is_blank(*options.system_prompt)) result.rewriter = options.rewriter;
  check_answer(result, options.max_new_tokens);
  return result;
}

}  // namespace llmdit
