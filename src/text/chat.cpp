#include "llmdit/chat.hpp"

#include "base/enum_table.hpp"
#include "io/encoding.hpp"
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

}  // namespace

std::string clean_content(std::string_view text) {
  text = text::trim(text);
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
    if (!text::is_space(code_point)) {
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

std::optional<Template> template_of(const ChatOptions& options) {
  const std::string& name = options.template_name;
  if (options.prompt_template && (name.empty() || name == options.prompt_template->name))
    return options.prompt_template;
  if (name.empty()) return std::nullopt;
  const bool is_path = name.find('/') != std::string::npos || name.ends_with(".md");
  if (is_path) return load_template(io::path_from_utf8(name));
  return TemplateRegistry::standard(io::path_from_utf8(options.templates_dir)).at(name);
}

ChatOptions resolve_template(const ChatOptions& options) {
  const std::optional<Template> chosen = template_of(options);
  ChatOptions resolved = options;
  resolved.template_name.clear();
  resolved.templates_dir.clear();
  resolved.prompt_template.reset();
  if (!chosen) return resolved;
  const auto take = [](std::string& part, const std::string& of_template) {
    if (part.empty()) part = of_template;
  };
  take(resolved.system_prompt, chosen->system_prompt);
  take(resolved.assistant_content, chosen->assistant_content);
  if (resolved.force_think_block.value_or(true)) take(resolved.thinking_content, chosen->thinking_content);
  if (!resolved.force_think_block) resolved.force_think_block = chosen->add_think_block;
  return resolved;
}

Conversation make_conversation(std::string_view prompt, const ChatOptions& unresolved) {
  const ChatOptions options = resolve_template(unresolved);
  const auto prepared = [&](std::string_view part) {
    std::string text = options.clean_whitespace ? clean_content(part) : std::string(part);
    return options.strip_quotes ? strip_quotes(text) : text;
  };
  std::string system = prepared(options.system_prompt);
  std::string thinking = prepared(options.thinking_content);

  Conversation conversation;
  conversation.enable_thinking = options.force_think_block.value_or(false) || !thinking.empty();
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
