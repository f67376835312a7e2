// A picture file of any bytes: decoded and looked into, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/error.hpp"
#include "llmdit/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    llmdit::decode_image({data, size}, {.max_pixels = 1 << 18});
  } catch (const llmdit::Error&) {
  }
  const llmdit::fuzz::File file("image_fuzz", data, size);
  try {
    llmdit::read_image_info(file.path());
  } catch (const llmdit::Error&) {
  }
  return 0;
}
