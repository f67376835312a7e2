// A picture that starts from another one, keeping more of it the lower the strength:
//   build/bin/image_to_image picture.png "a red circle on a black background"
#include <cstdio>
#include <llmdit/llmdit.hpp>

int main(int argc, char** argv) try {
  const auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  const std::string prompt = argc > 2 ? argv[2] : "a red circle on a black background";
  llmdit::GenerateOptions options{.num_inference_steps = 8, .seed = 1};
  options.image =
      argc > 1 ? llmdit::read_image(argv[1]) : pipe.generate("a blue star on a white background", options).images[0];
  for (const double strength : {0.2, 0.4, 0.8}) {
    options.strength = strength;
    const std::string picture = "image_to_image-" + std::to_string(strength).substr(0, 3) + ".png";
    llmdit::write_png(picture, pipe.generate(prompt, options).images[0]);
    std::puts(picture.c_str());
  }
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
