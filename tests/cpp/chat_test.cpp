#include "llmdit/chat.hpp"

#include <catch2/catch_test_macros.hpp>

namespace llmdit {
namespace {

using Messages = std::vector<Message>;

const std::string system_turn = "<|im_start|>system\nY<|im_end|>\n";
const std::string user_turn = "<|im_start|>user\nP<|im_end|>\n";
const std::string assistant = "<|im_start|>assistant\n";
const std::string end = "<|im_end|>";

ChatOptions with(std::string thinking, std::string answer, bool force = false) {
  ChatOptions options;
  options.thinking_content = std::move(thinking);
  options.assistant_content = std::move(answer);
  options.force_think_block = force;
  return options;
}

std::string not_final(Conversation conversation) {
  conversation.is_final = false;
  return render(conversation);
}

}  // namespace

TEST_CASE("one prompt is rendered as Qwen3's template does", "[chat]") {
  CHECK(format_prompt("P") == user_turn + assistant);
  CHECK(format_prompt("P", {.system_prompt = "Y"}) == system_turn + user_turn + assistant);
  CHECK(format_prompt("P", with("", "", true)) == user_turn + assistant + "<think>\n\n</think>\n\n");
  CHECK(format_prompt("P", with("T", "")) == user_turn + assistant + "<think>\nT\n</think>\n\n");
  CHECK(format_prompt("P", with("", "A")) == user_turn + assistant + "A" + end);
  CHECK(format_prompt("P", with("T", "A")) == user_turn + assistant + "<think>\nT\n</think>\n\nA" + end);
  CHECK(format_prompt("P", with("T", "A", true)) == user_turn + assistant + "<think>\nT\n</think>\n\nA" + end);
  CHECK(format_prompt("P", with("", "A", true)) == user_turn + assistant + "<think>\n\n</think>\n\nA" + end);
}

TEST_CASE("an empty prompt keeps its turn", "[chat]") {
  CHECK(format_prompt("") == "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n");
}

TEST_CASE("a conversation that is not final closes every turn", "[chat]") {
  CHECK(not_final(make_conversation("P")) == user_turn + assistant + end);
  CHECK(not_final(make_conversation("P", with("", "", true))) ==
        user_turn + assistant + "<think>\n\n</think>\n\n" + end);
}

TEST_CASE("turns are joined by one newline", "[chat]") {
  Conversation conversation;
  CHECK(render(conversation).empty());
  conversation.messages = {{Role::user, "P", ""}, {Role::assistant, "A", "T"}, {Role::user, "Q", ""}};
  CHECK(render(conversation) ==
        user_turn + assistant + "A<|im_end|>\n<|im_start|>user\nQ<|im_end|>");  // without thinking: T is left out

  conversation.messages.push_back({Role::assistant, "", ""});
  CHECK(render(conversation) == user_turn + assistant + "A<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n" + assistant);

  conversation.enable_thinking = true;
  const std::string first_answer = assistant + "<think>\nT\n</think>\n\nA<|im_end|>\n";
  const std::string second_user = "<|im_start|>user\nQ<|im_end|>\n";
  CHECK(render(conversation) == user_turn + first_answer + second_user + assistant + "<think>\n\n</think>\n\n");
}

TEST_CASE("a last turn without content stays open, whoever speaks", "[chat]") {
  CHECK(render({{{Role::user, "", ""}}}) == "<|im_start|>user\n");
  CHECK(render({{{Role::user, "", ""}, {Role::user, "", ""}}}) == "<|im_start|>user\n<|im_end|>\n<|im_start|>user\n");
}

TEST_CASE("text that looks like markup or weights is taken as it is", "[chat]") {
  for (const std::string text : {"a (red:1.4) cat", "<think>", "<|im_end|>", "  \"two\"  blanks\n\n\n\n"}) {
    CHECK(format_prompt(text) == "<|im_start|>user\n" + text + "<|im_end|>\n" + assistant);
  }
  const std::string zero("a\0b", 3);
  CHECK(format_prompt(zero).find(zero) != std::string::npos);
}

TEST_CASE("make_conversation has one user and one assistant turn", "[chat]") {
  Conversation expected;
  expected.messages = {{Role::user, "P", ""}, {Role::assistant, "", ""}};
  CHECK(make_conversation("P") == expected);
  CHECK_FALSE(make_conversation("P", with("", "A")).enable_thinking);
  CHECK(make_conversation("P", with("T", "")).enable_thinking);
  CHECK(make_conversation("P", with("", "", true)).enable_thinking);
}

TEST_CASE("options clean all four parts, whitespace first", "[chat]") {
  ChatOptions options;
  options.system_prompt = " \"Y\" ";
  options.thinking_content = "\"T\"  t";
  options.assistant_content = "\n\"A\"";

  options.strip_quotes = true;
  const Conversation quotes = make_conversation("\"P\"", options);
  CHECK((quotes.messages ==
         Messages{{Role::system, " Y ", ""}, {Role::user, "P", ""}, {Role::assistant, "\nA", "T  t"}}));

  options.clean_whitespace = true;
  const Conversation both = make_conversation(" \"P\"\t", options);
  CHECK((both.messages == Messages{{Role::system, "Y", ""}, {Role::user, "P", ""}, {Role::assistant, "A", "T t"}}));

  options.strip_quotes = false;
  CHECK(make_conversation("P", options).messages[0].content == "\"Y\"");
}

TEST_CASE("parts that cleaning empties are not there", "[chat]") {
  ChatOptions options;
  options.system_prompt = " \n";
  options.thinking_content = "\t";
  options.clean_whitespace = true;
  CHECK(make_conversation("P", options) == make_conversation("P"));
  options.clean_whitespace = false;
  CHECK(make_conversation("P", options).messages.size() == 3);
  CHECK(make_conversation("P", options).enable_thinking);
}

TEST_CASE("clean_content", "[chat]") {
  CHECK(clean_content("").empty());
  CHECK(clean_content(" \t\n ").empty());
  CHECK(clean_content("  a  b \t c  ") == "a b c");
  CHECK(clean_content("a\nb\n\nc\n\n\nd\n\n\n\n\ne") == "a\nb\n\nc\n\nd\n\ne");
  CHECK(clean_content("a  \n  b") == "a \n b");  // a space next to a newline survives
  CHECK(clean_content("a\r\n\r\nb") == "a \n \nb");
  CHECK(clean_content("\u00A0a\u3000\u2009b\x1C\x1F\u2028") == "a b");  // Unicode's blanks, and Python's
  CHECK(clean_content("a\u200Bb\u180E") == "a\u200Bb\u180E");
  CHECK(clean_content(" \xFF\xC2 ") == "\xFF\xC2");
  CHECK(clean_content(std::string(" \0 ", 3)) == std::string("\0", 1));
}

TEST_CASE("strip_quotes deletes ASCII double quotes only", "[chat]") {
  CHECK(strip_quotes("\"a\" 'b' “c” \"") == "a 'b' “c” ");
  CHECK(strip_quotes("").empty());
}

TEST_CASE("roles have names", "[chat]") {
  for (const Role role : {Role::system, Role::user, Role::assistant}) CHECK(parse_role(role_name(role)) == role);
  CHECK(role_name(Role::assistant) == "assistant");
  CHECK_FALSE(parse_role("User"));
  CHECK_FALSE(parse_role(""));
}

}  // namespace llmdit
