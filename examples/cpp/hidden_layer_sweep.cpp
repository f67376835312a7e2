// What the transformer makes of the language model's hidden layers, from the last but one backwards:
//   build/bin/hidden_layer_sweep
#include <cstdio>
#include <llmdit/llmdit.hpp>

int main() try {
  const auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  for (const int64_t layer : {-2, -3, -4}) {
    const auto result = pipe.generate("a purple heart", {.num_inference_steps = 8, .seed = 1, .hidden_layer = layer});
    const std::string picture = "hidden_layer_sweep" + std::to_string(layer) + ".png";
    llmdit::write_png(picture, result.images[0]);
    std::puts(picture.c_str());
  }
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
