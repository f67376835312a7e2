#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

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
  bool force_think_block = false;   ///< an empty think block when there is no thinking_content
  bool strip_quotes = false;        ///< delete every ASCII " from all parts
  bool clean_whitespace =
      false;  ///< trim, squeeze runs of blanks, at most one empty line; off: the text is taken as it is

  bool operator==(const ChatOptions&) const = default;
};

/// [system], user, assistant: the conversation of one prompt.
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
