// A LoRA file of any bytes: applied to the demo model and taken off again, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/demo_model.hpp"
#include "llmdit/error.hpp"
#include "llmdit/z_image_pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto pipeline = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  const llmdit::fuzz::File file("lora_fuzz.safetensors", data, size);
  try {
    pipeline.load_lora(file.path(), 0.5, {.text_encoder = true});
    pipeline.unload_loras();
  } catch (const llmdit::Error&) {
  }
  return 0;
}
