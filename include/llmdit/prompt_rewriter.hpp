#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/chat_backend.hpp"
#include "llmdit/export.hpp"
#include "llmdit/options.hpp"
#include "llmdit/prompt_template.hpp"

namespace llmdit {

/// What a model's answer holds.
struct ParsedAnswer {
  std::string prompt;                   ///< without thinking and its tags; empty where there is nothing else
  std::optional<std::string> thinking;  ///< nothing where there is none

  bool operator==(const ParsedAnswer&) const = default;
};

/// Takes the thinking from an answer: a <think> block, one that is not closed to the end of the text, or what stands
/// before a lone </think>; else, unless `only_tags`, what precedes a JSON object at the end, or a first paragraph that
/// begins as thinking aloud does. A JSON object is left as it stands.
LLMDIT_EXPORT ParsedAnswer parse_answer(std::string_view text, bool only_tags = false);

/// A field of an answer that is a JSON object, as some instructions ask for: a text as it is, anything else as JSON.
/// Nothing where there is no such field; throws unsupported for text that is no JSON object.
LLMDIT_EXPORT std::optional<std::string> answer_field(std::string_view answer, std::string_view name);

/// How a prompt is rewritten. What is not given is the backend's choice; 0 is a value.
struct RewriteOptions {
  std::string rewriter{};                      ///< name of a template of the category "rewriter"
  std::optional<std::string> system_prompt{};  ///< own instructions, which win over `rewriter` unless blank
  bool enable_thinking = ChatRequest{}.enable_thinking;
  int64_t max_new_tokens = ChatRequest{}.max_new_tokens;
  std::optional<uint64_t> seed{};
  std::optional<double> temperature{};
  std::optional<int64_t> top_k{};
  std::optional<double> top_p{};
  std::optional<double> min_p{};
  std::optional<double> repetition_penalty{};
  std::optional<double> presence_penalty{};

  // Below: what stands in no table.
  std::optional<Image> image{};  ///< a picture that the prompt is about, or is to be made from
  TokenCallback on_token{};      ///< thinking included
  std::stop_token stop{};
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<RewriteOptions>();

struct RewrittenPrompt {
  std::string prompt;
  std::optional<std::string> thinking;
  std::string text;           ///< the whole answer
  std::string rewriter;       ///< the template's name; empty for own instructions
  std::string system_prompt;  ///< what the model was told
  FinishReason finish_reason = FinishReason::stop;
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  std::optional<uint64_t> seed;
  std::string model;  ///< that answered
  std::vector<std::string> warnings;
};

/// Puts one question to a model as it stands, with `options.system_prompt` as its instructions, if any, and takes the
/// thinking from the answer. Throws invalid_argument for a rewriter, and what ChatBackend::chat throws.
LLMDIT_EXPORT RewrittenPrompt ask(const ChatBackend& backend, std::string_view prompt,
                                  const RewriteOptions& options = {});

/// Turns a short idea, a picture or both into a prompt by a language model. Calls are const and thread-safe.
class LLMDIT_EXPORT PromptRewriter {
 public:
  explicit PromptRewriter(std::shared_ptr<const ChatBackend> backend,
                          TemplateRegistry templates = TemplateRegistry::standard());

  /// Throws invalid_argument where there is neither prompt nor image, neither rewriter nor instructions (but an image,
  /// which is described without), a template of another category, an image the backend does not take, or an answer
  /// that ends before the prompt; not_found for an unknown rewriter.
  RewrittenPrompt rewrite(std::string_view prompt, const RewriteOptions& options = {}) const;

  /// The names of the rewriters.
  std::vector<std::string> rewriters() const;

 private:
  std::string instructions(const RewriteOptions& options) const;

  std::shared_ptr<const ChatBackend> backend_;
  TemplateRegistry templates_;
};

}  // namespace llmdit
