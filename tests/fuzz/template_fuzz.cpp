// A template's file of any bytes: read, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/error.hpp"
#include "llmdit/prompt_template.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const llmdit::fuzz::File file("template.md", data, size);
  try {
    llmdit::TemplateRegistry registry;
    registry.load_file(file.path());
    for (const auto& [name, entry] : registry) llmdit::format_prompt("a cat", {.prompt_template = entry});
  } catch (const llmdit::Error&) {
  }
  return 0;
}
