// A picture of a prompt. From the root of the repository, after `make demo`:
//   build/bin/text_to_picture "a red circle left of a blue star" picture.png [model]
#include <cstdio>
#include <llmdit/llmdit.hpp>

int main(int argc, char** argv) try {
  const std::string prompt = argc > 1 ? argv[1] : "a red circle left of a blue star on a yellow background";
  const std::filesystem::path picture = argc > 2 ? argv[2] : "text_to_picture.png";
  const auto pipe = llmdit::ZImagePipeline::load(argc > 3 ? argv[3] : llmdit::demo_model_path());
  const auto result = pipe.generate(prompt, {.num_inference_steps = 8, .seed = 1});
  llmdit::write_png(picture, result.images[0]);
  std::printf("%s: %.1f s\n", picture.c_str(), result.timings.total);
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
