#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/prompt_template.hpp"

namespace llmdit {

enum class Role { system, user, assistant };

struct Message {
  Role role = Role::user;
  std::string content{};
  std::string thinking{};  ///< rendered only in assistant turns of a conversation with enable_thinking

  bool operator==(const Message&) const = default;
};

/// The turns that are rendered into the text the language model reads.
struct Conversation {
  std::vector<Message> messages{};
  bool enable_thinking = false;  ///< gives every assistant turn a think block, empty when its `thinking` is
  bool is_final = true;          ///< leaves the last turn open when its content is empty, for the model to go on

  bool operator==(const Conversation&) const = default;
};

/// The parts of a one-prompt conversation besides the prompt.
struct ChatOptions {
  std::string system_prompt{};      ///< no system turn when empty
  std::string thinking_content{};   ///< text inside the assistant's think block
  std::string assistant_content{};  ///< start of the assistant's answer; closes its turn
  /// An empty think block when there is no thinking_content; not given: as the template has it, else none. Given false,
  /// a template's thinking_content is not taken either.
  std::optional<bool> force_think_block{};
  bool strip_quotes = false;  ///< delete every ASCII " from all parts
  bool clean_whitespace =
      false;  ///< trim, squeeze runs of blanks, at most one empty line; off: the text is taken as it is

  /// A template whose parts take the places that are empty above: a name of TemplateRegistry::standard, or the path of
  /// a file, which holds a slash or ends in .md.
  std::string template_name{};
  std::string templates_dir{};                ///< folder of own templates, see TemplateRegistry::standard
  std::optional<Template> prompt_template{};  ///< counts unless template_name is given and another

  bool operator==(const ChatOptions&) const = default;
};

/// The template that the options choose, looked up where it is a name; nothing without one. Throws not_found for an
/// unknown one, unsupported for files that cannot be taken.
LLMDIT_EXPORT std::optional<Template> template_of(const ChatOptions& options);

/// The options with the template's parts in their places, and without a template. What the options give wins.
LLMDIT_EXPORT ChatOptions resolve_template(const ChatOptions& options);

/// [system], user, assistant: the conversation of one prompt, in the template that the options choose. For many
/// prompts, resolve_template looks it up once.
LLMDIT_EXPORT Conversation make_conversation(std::string_view prompt, const ChatOptions& options = {});

/// The exact chat text of Qwen3's template. An empty conversation gives "".
LLMDIT_EXPORT std::string render(const Conversation& conversation);

/// render(make_conversation(prompt, options)). With default options this is what diffusers' Z-Image pipeline encodes.
LLMDIT_EXPORT std::string format_prompt(std::string_view prompt, const ChatOptions& options = {});

/// Trims both ends, turns three or more newlines into two and each run of other whitespace into one space.
LLMDIT_EXPORT std::string clean_content(std::string_view text);

/// Deletes every ASCII double quote.
LLMDIT_EXPORT std::string strip_quotes(std::string_view text);

LLMDIT_EXPORT std::string_view role_name(Role role) noexcept;
LLMDIT_EXPORT std::optional<Role> parse_role(std::string_view name) noexcept;

}  // namespace llmdit
