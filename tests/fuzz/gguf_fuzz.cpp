// A GGUF file of any bytes: looked into, and taken for a tokenizer, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/error.hpp"
#include "llmdit/inspect.hpp"
#include "llmdit/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const llmdit::fuzz::File file("gguf_fuzz.gguf", data, size);
  try {
    llmdit::inspect(file.path());
  } catch (const llmdit::Error&) {
  }
  try {
    llmdit::Tokenizer::load(file.path()).encode("A red fox, 12 \xc3\xa9t\xc3\xa9s <x>");
  } catch (const llmdit::Error&) {
  }
  return 0;
}
