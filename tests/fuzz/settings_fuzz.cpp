// The settings inside a picture, as JSON of any bytes: read, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/error.hpp"
#include "llmdit/image.hpp"
#include "llmdit/z_image_pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const llmdit::Image pixel{.width = 1, .height = 1, .pixels = {0, 0, 0}};
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<uint8_t> png;
  try {
    png = llmdit::encode_png(pixel, {{"llmdit", text}});
  } catch (const llmdit::Error&) {  // no text that a picture can hold
    return 0;
  }
  const llmdit::fuzz::File file("settings_fuzz.png", png.data(), png.size());
  try {
    llmdit::read_picture_settings(file.path());
  } catch (const llmdit::Error&) {
  }
  return 0;
}
