#include "llmdit/prompt_template.hpp"

#include <catch2/catch_test_macros.hpp>

#include "llmdit/chat.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

const std::string user_turn = "<|im_start|>user\nP<|im_end|>\n<|im_start|>assistant\n";
const std::string system_turn = "<|im_start|>system\nS<|im_end|>\n";
const std::string think_block = "<think>\n\n</think>\n\n";

Template with_block(bool add_think_block) {
  return {.name = "t", .system_prompt = "S", .add_think_block = add_think_block};
}

}  // namespace

TEST_CASE("a template fills the parts that are not given", "[template]") {
  CHECK(format_prompt("P", {.prompt_template = with_block(false)}) == system_turn + user_turn);
  CHECK(format_prompt("P", {.prompt_template = with_block(true)}) == system_turn + user_turn + think_block);
  CHECK(format_prompt("P", {.system_prompt = "S", .prompt_template = Template{.system_prompt = "T"}}) ==
        system_turn + user_turn);
}

TEST_CASE("a think block that is asked for or refused wins over the template", "[template]") {
  for (const bool of_template : {false, true}) {
    const Template entry = with_block(of_template);
    CHECK(format_prompt("P", {.force_think_block = true, .prompt_template = entry}).ends_with(think_block));
    CHECK(format_prompt("P", {.force_think_block = false, .prompt_template = entry}) == system_turn + user_turn);
  }
  const Template thinking{.thinking_content = "T"};
  CHECK(format_prompt("P", {.prompt_template = thinking}) == user_turn + "<think>\nT\n</think>\n\n");
  CHECK(format_prompt("P", {.force_think_block = false, .prompt_template = thinking}) == user_turn);
}

TEST_CASE("built-in templates are found by name", "[template]") {
  const TemplateRegistry registry = TemplateRegistry::standard();
  const Template& entry = registry.at("charcoal");
  CHECK(entry.category == "art");
  CHECK(resolve_template({.template_name = "charcoal"}).system_prompt == entry.system_prompt);
  const auto error = test::thrown_by([&] { registry.at("charcaol"); });
  CHECK(error.code == ErrorCode::not_found);
  CHECK(error.says("did you mean 'charcoal'?"));
}

}  // namespace llmdit
