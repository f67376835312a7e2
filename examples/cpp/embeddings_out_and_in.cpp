// The language model's output as a tensor: taken out, mixed, and given back in place of a prompt:
//   build/bin/embeddings_out_and_in
#include <ATen/ATen.h>

#include <cstdio>
#include <llmdit/llmdit.hpp>

int main() try {
  const auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  const std::vector<std::string> prompts = {"a red circle on a white background", "a red circle on a black background"};
  const llmdit::EncodingOutput encoding = pipe.encode_prompt(prompts);
  const at::Tensor day = encoding.embeddings[0], night = encoding.embeddings[1];  // [tokens, hidden_size]
  for (const double share : {0.0, 0.5, 1.0}) {
    llmdit::GenerateOptions options{.num_inference_steps = 8, .seed = 1};
    options.prompt_embeds = {at::lerp(day, night, share)};
    const std::string picture = "embeddings_out_and_in-" + std::to_string(share).substr(0, 3) + ".png";
    llmdit::write_png(picture, pipe.generate(std::vector<std::string>{}, options).images[0]);
    std::puts(picture.c_str());
  }
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
