// A weight file of any bytes: looked into, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/error.hpp"
#include "llmdit/inspect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const llmdit::fuzz::File file("safetensors_fuzz.safetensors", data, size);
  try {
    llmdit::inspect(file.path());
  } catch (const llmdit::Error&) {
  }
  return 0;
}
