// A LoRA file of any bytes: applied to the demo model and taken off again, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/demo_model.hpp"
#include "llmdit/error.hpp"
#include "llmdit/z_image_pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static llmdit::ZImagePipeline pipeline = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  const llmdit::fuzz::File file("lora_fuzz.safetensors", data, size);
  try {
    const llmdit::Lora lora{.path = file.path(), .scale = 0.5, .text_encoder = true};
    pipeline.load_loras({&lora, 1});
    pipeline.unload_loras();
  } catch (const llmdit::Error&) {
  }
  return 0;
}
