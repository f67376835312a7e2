#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "llmdit/prompt_rewriter.hpp"

namespace llmdit {
namespace {

constexpr std::string_view open_tag = "<think>", close_tag = "</think>", blanks = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(blanks);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

std::string without_tags(std::string_view text) {
  std::string result(text);
  for (const std::string_view tag : {open_tag, close_tag}) {
    for (size_t at = result.find(tag); at != std::string::npos; at = result.find(tag, at)) result.erase(at, tag.size());
  }
  return std::string(trim(result));
}

struct Parts {
  std::string_view thinking;
  std::string answer;
};

/// By the tags: the first block is the thinking, and all blocks are taken out of the answer.
std::optional<Parts> split_by_tags(std::string_view text) {
  Parts parts;
  bool found = false;
  const auto take = [&](std::string_view thinking) {
    if (!found) parts.thinking = thinking;
    found = true;
  };
  // A template may open the block in the prompt, so that the text has its end only.
  if (const size_t end = text.find(close_tag); end < text.find(open_tag)) {
    take(text.substr(0, end));
    text.remove_prefix(end + close_tag.size());
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  }
  for (size_t begin = text.find(open_tag); begin != text.npos; begin = text.find(open_tag)) {
    parts.answer += text.substr(0, begin);
    text.remove_prefix(begin + open_tag.size());
    const size_t end = text.find(close_tag);
    take(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + close_tag.size());
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  }
  parts.answer += text;
  return found ? std::optional(parts) : std::nullopt;
}

/// By a JSON object that ends the text and something before it.
std::optional<Parts> split_by_json(std::string_view text) {
  constexpr int most_braces = 100;  // of the words before it
  if (!text.ends_with('}')) return std::nullopt;
  int braces = 0;
  for (size_t begin = text.find('{'); begin != text.npos && braces < most_braces; begin = text.find('{', begin + 1)) {
    ++braces;
    if (!nlohmann::json::accept(text.substr(begin))) continue;
    if (begin == 0) return std::nullopt;
    return Parts{text.substr(0, begin), std::string(text.substr(begin))};
  }
  return std::nullopt;
}

bool begins_as_thinking(std::string_view text) {
  constexpr std::string_view starts[] = {"Okay", "Let me", "I need", "First", "The user", "Looking"};
  return std::ranges::any_of(starts, [&](std::string_view start) { return text.starts_with(start); });
}

/// By the way a first paragraph sounds and a second that is long enough to be a prompt.
std::optional<Parts> split_by_paragraph(std::string_view text) {
  constexpr size_t shortest_prompt = 50;
  if (!begins_as_thinking(text)) return std::nullopt;
  const size_t blank_line = text.find("\n\n");
  if (blank_line == text.npos) return std::nullopt;
  const std::string_view rest = trim(text.substr(blank_line));
  if (rest.size() <= shortest_prompt || begins_as_thinking(rest) || rest.starts_with("Now")) return std::nullopt;
  return Parts{text.substr(0, blank_line), std::string(rest)};
}

}  // namespace

ParsedAnswer parse_answer(std::string_view text, bool only_tags) {
  text = trim(text);
  auto parts = split_by_tags(text);
  if (!parts && !only_tags) parts = split_by_json(text);
  if (!parts && !only_tags) parts = split_by_paragraph(text);
  ParsedAnswer answer{.prompt = without_tags(parts ? std::string_view(parts->answer) : text)};
  if (std::string thinking = parts ? without_tags(parts->thinking) : ""; !thinking.empty())
    answer.thinking = std::move(thinking);
  return answer;
}

std::optional<std::string> answer_field(std::string_view answer, std::string_view name) {
  const nlohmann::json object = io::parse_foreign_json(trim(answer));
  if (!object.is_object())
    fail(ErrorCode::unsupported, "answer_field", "expected a JSON object, got '{}'", io::printable(answer));
  const auto field = object.find(std::string(name));
  if (field == object.end()) return std::nullopt;
  return field->is_string() ? field->get<std::string>() : field->dump();
}

}  // namespace llmdit
