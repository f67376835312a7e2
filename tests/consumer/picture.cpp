// Draws with the demo model of the installation and prints where that lies.
#include <iostream>
#include <llmdit/llmdit.hpp>

int main(int, char** argv) {
  try {
    auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
    auto result = pipe.generate("a red circle",
                                {.num_inference_steps = 4, .seed = 1, .chat = {.template_name = "low-poly-facets"}});
    llmdit::write_png(argv[1], result.images[0]);
    std::cout << llmdit::demo_model_path().string() << '\n';
  } catch (const llmdit::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
