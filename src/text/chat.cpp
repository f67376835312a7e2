#include "llmdit/chat.hpp"

#include "base/enum_table.hpp"
#include "text/utf8.hpp"

namespace llmdit {

template <>
struct EnumTable<Role> {
  static constexpr EnumName<Role> names[] = {
      {Role::system, "system"},
      {Role::user, "user"},
      {Role::assistant, "assistant"},
  };
};

std::string_view role_name(Role role) noexcept { return enum_name(role); }

std::optional<Role> parse_role(std::string_view name) noexcept { return parse_enum<Role>(name); }

namespace {

constexpr std::string_view kTurnStart = "<|im_start|>";
constexpr std::string_view kTurnEnd = "<|im_end|>";

/// What Python's str.isspace() and `\s` accept: wider than Unicode's White_Space by U+001C..U+001F.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view trim(std::string_view text) {
  size_t begin = text.size();
  size_t end = text.size();
  for (size_t at = 0; at < text.size();) {
    const auto [code_point, length] = text::next_code_point(text, at);
    if (!is_space(code_point)) {
      if (begin == text.size()) begin = at;
      end = at + length;
    }
    at += length;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

std::string clean_content(std::string_view text) {
  text = trim(text);
  std::string cleaned;
  cleaned.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '\n') {
      size_t end = at;
      while (end < text.size() && text[end] == '\n') ++end;
      cleaned.append(end - at > 2 ? 2 : end - at, '\n');
      at = end;
      continue;
    }
    const auto [code_point, length] = text::next_code_point(text, at);
    if (!is_space(code_point)) {
      cleaned.append(text.substr(at, length));
    } else if (cleaned.back() != ' ') {  // not empty: trimmed text starts with something else
      cleaned.push_back(' ');
    }
    at += length;
  }
  return cleaned;
}

std::string strip_quotes(std::string_view text) {
  std::string kept(text);
  std::erase(kept, '"');
  return kept;
}

Conversation make_conversation(std::string_view prompt, const ChatOptions& options) {
  const auto prepared = [&](std::string_view part) {
    std::string text = options.clean_whitespace ? clean_content(part) : std::string(part);
    return options.strip_quotes ? strip_quotes(text) : text;
  };
  std::string system = prepared(options.system_prompt);
  std::string thinking = prepared(options.thinking_content);

  Conversation conversation;
  conversation.enable_thinking = options.force_think_block || !thinking.empty();
  if (!system.empty()) conversation.messages.push_back({Role::system, std::move(system), ""});
  conversation.messages.push_back({Role::user, prepared(prompt), ""});
  conversation.messages.push_back({Role::assistant, prepared(options.assistant_content), std::move(thinking)});
  return conversation;
}

std::string render(const Conversation& conversation) {
  std::string text;
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    const Message& message = conversation.messages[i];
    if (i > 0) text += '\n';
    text.append(kTurnStart).append(role_name(message.role)) += '\n';
    if (message.role == Role::assistant && conversation.enable_thinking) {
      text.append("<think>\n").append(message.thinking).append("\n</think>\n\n");
    }
    text += message.content;
    const bool is_open = conversation.is_final && i + 1 == conversation.messages.size() && message.content.empty();
    if (!is_open) text += kTurnEnd;
  }
  return text;
}

std::string format_prompt(std::string_view prompt, const ChatOptions& options) {
  return render(make_conversation(prompt, options));
}

}  // namespace llmdit
