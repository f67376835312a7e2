#include <ATen/ATen.h>

#include "capi/handles.hpp"
#include "capi/options.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// What the settings in a picture need to know of the inputs is whether they were given; the rest is the caller's.
void forget_inputs(GenerateOptions& options) {
  options.on_step = nullptr;
  options.stop = {};
  if (options.image) options.image = Image{};
  if (options.mask_image) options.mask_image = Image{};
  if (options.vl_image) options.vl_image = Image{};
  if (options.latents) options.latents = at::Tensor();
  if (options.prompt_embeds) options.prompt_embeds->clear();
  if (options.negative_prompt_embeds) options.negative_prompt_embeds->clear();
}

/// Prompts of a call; none where it brings their embeddings.
llmdit_result* generate(const llmdit_pipeline* pipeline, std::vector<std::string> prompts, GenerateOptions options,
                        std::string_view operation) {
  const auto held = borrow(pipeline, operation);
  auto result = std::make_shared<const GenerateResult>(held->value.generate(prompts, options));
  forget_inputs(options);
  return make_handle(llmdit_result{std::move(result), std::move(prompts), std::move(options)});
}

}  // namespace

llmdit_status llmdit_pipeline_load(llmdit_pipeline** pipeline, const char* path, const llmdit_load_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_load";
    llmdit_pipeline*& place = output(pipeline, operation);
    const std::filesystem::path source = path ? std::filesystem::path(path) : demo_model_path();
    place = make_handle(llmdit_pipeline{ZImagePipeline::load(source, read_options(options, operation))});
  });
}

llmdit_status llmdit_pipeline_generate(llmdit_result** result, const llmdit_pipeline* pipeline, const char* prompt,
                                       size_t prompt_length, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_generate";
    llmdit_result*& place = output(result, operation);
    GenerateOptions read = read_options(options, operation);
    std::vector<std::string> prompts;
    if (prompt || !read.prompt_embeds) prompts.emplace_back(read_text(prompt, prompt_length, operation));
    place = generate(pipeline, std::move(prompts), std::move(read), operation);
  });
}

llmdit_status llmdit_pipeline_generate_batch(llmdit_result** result, const llmdit_pipeline* pipeline,
                                             const llmdit_texts* prompts, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_generate_batch";
    llmdit_result*& place = output(result, operation);
    GenerateOptions read = read_options(options, operation);
    check(prompts || read.prompt_embeds, operation, "expected prompts, got NULL");
    place = generate(pipeline, prompts ? read_texts(*prompts, operation) : std::vector<std::string>(), std::move(read),
                     operation);
  });
}

llmdit_status llmdit_pipeline_encode(llmdit_encoding** encoding, const llmdit_pipeline* pipeline,
                                     const llmdit_texts* prompts, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_encode";
    llmdit_encoding*& place = output(encoding, operation);
    check(prompts != nullptr, operation, "expected prompts, got NULL");
    const GenerateOptions read = read_options(options, operation);
    const auto held = borrow(pipeline, operation);
    place = make_handle(llmdit_encoding{held->value.encode_prompt(read_texts(*prompts, operation), read.chat,
                                                                  {.hidden_layer = read.hidden_layer,
                                                                   .layer_weights = read.layer_weights,
                                                                   .layer_spans = read.layer_spans,
                                                                   .stop = read.stop})});
  });
}

llmdit_status llmdit_pipeline_decode(llmdit_tensor** pixels, const llmdit_pipeline* pipeline,
                                     const llmdit_tensor* latents, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_decode";
    llmdit_tensor*& place = output(pixels, operation);
    const GenerateOptions read = read_options(options, operation);
    const TilingOptions tiling{read.vae_tiling, read.vae_tile_size, read.vae_tile_overlap};
    const AutoencoderKL vae = borrow(pipeline, operation)->value.vae();
    const at::Tensor decoded = vae.decode(vae.unscale(borrow(latents, operation)->value), read.stop, tiling);
    place = make_tensor((decoded.to(at::kCPU, at::kFloat) * 0.5 + 0.5).clamp(0, 1));
  });
}

llmdit_status llmdit_pipeline_preview(llmdit_image** image, const llmdit_pipeline* pipeline,
                                      const llmdit_tensor* latents, int64_t scale) {
  return guarded([&] {
    const char* operation = "pipeline_preview";
    llmdit_image*& place = output(image, operation);
    Image preview = borrow(pipeline, operation)->value.vae().preview(borrow(latents, operation)->value, scale);
    place = make_handle(llmdit_image{std::make_shared<const Image>(std::move(preview)), {}});
  });
}

llmdit_status llmdit_pipeline_load_lora(llmdit_lora_report** report, llmdit_pipeline* pipeline, const char* path,
                                        double scale, bool strict) {
  return guarded([&] {
    const char* operation = "pipeline_load_lora";
    if (report) *report = nullptr;
    check(path != nullptr, operation, "expected a path, got NULL");
    LoraReport changes = borrow(pipeline, operation)->value.load_lora(path, scale, {.strict = strict});
    if (report) *report = make_handle(llmdit_lora_report{std::move(changes)});
  });
}

llmdit_status llmdit_pipeline_unload_loras(llmdit_pipeline* pipeline) {
  return guarded([&] { borrow(pipeline, "pipeline_unload_loras")->value.unload_loras(); });
}

llmdit_status llmdit_pipeline_tokenizer(llmdit_tokenizer** tokenizer, const llmdit_pipeline* pipeline) {
  return guarded([&] {
    llmdit_tokenizer*& place = output(tokenizer, "pipeline_tokenizer");
    place = make_handle(llmdit_tokenizer{borrow(pipeline, "pipeline_tokenizer")->value.text_encoder().tokenizer()});
  });
}

void llmdit_pipeline_free(llmdit_pipeline* pipeline) { free_handle(pipeline); }
