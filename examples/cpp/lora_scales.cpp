// The same picture with a LoRA at several scales; unloading gives the first one back, bit for bit:
//   build/bin/lora_scales
#include <cstdio>
#include <llmdit/llmdit.hpp>

int main() try {
  const auto model = llmdit::demo_model_path();
  auto pipe = llmdit::ZImagePipeline::load(model);
  for (const double scale : {0.0, 0.5, 1.0}) {
    const llmdit::LoraReport report = pipe.load_lora(model / "loras/neon.safetensors", scale);
    const auto result = pipe.generate("a green triangle", {.num_inference_steps = 8, .seed = 1});
    const std::string picture = "lora_scales-" + std::to_string(scale).substr(0, 3) + ".png";
    llmdit::write_png(picture, result.images[0]);
    std::printf("%s: %zu weights changed\n", picture.c_str(), report.applied.size());
    pipe.unload_loras();
  }
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
