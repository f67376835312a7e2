// What becomes of a prompt that is longer than the transformer takes, by each way to make it fit:
//   build/bin/long_prompt_modes
#include <cstdio>
#include <llmdit/llmdit.hpp>

int main() try {
  using Mode = llmdit::LongPromptMode;
  const char* prompt =
      "a red circle on a white background. The circle is in the middle and it is large. It is drawn in a flat style "
      "with clean edges. Nothing else is in the picture, and the background is plain.";
  const auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  for (const Mode mode : {Mode::truncate, Mode::interpolate, Mode::pool, Mode::attention_pool, Mode::segments}) {
    // The models' own limits are longer than a screen of text.
    const auto result =
        pipe.generate(prompt, {.num_inference_steps = 8, .seed = 1, .long_prompt_mode = mode, .max_text_tokens = 32});
    const std::string picture = "long_prompt_modes-" + std::string(llmdit::long_prompt_mode_name(mode)) + ".png";
    llmdit::write_png(picture, result.images[0]);
    std::printf("%d tokens became %d: %s\n", static_cast<int>(result.token_counts[0]),
                static_cast<int>(result.caption_lengths[0]), picture.c_str());
  }
} catch (const llmdit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
