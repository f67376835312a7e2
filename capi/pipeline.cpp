#include <ATen/ATen.h>

#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

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

TilingOptions tiling_of(const GenerateOptions& options) {
  return {options.vae_tiling, options.vae_tile_size, options.vae_tile_overlap};
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
    const GenerateOptions read = read_options(options, operation);
    const auto held = borrow(pipeline, operation);
    place = make_handle(
        llmdit_encoding{held->value.encode_prompt(read_texts(prompts, operation), read.chat, encode_options(read))});
  });
}

llmdit_status llmdit_pipeline_decode(llmdit_tensor** pixels, const llmdit_pipeline* pipeline,
                                     const llmdit_tensor* latents, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_decode";
    llmdit_tensor*& place = output(pixels, operation);
    const GenerateOptions read = read_options(options, operation);
    const AutoencoderKL vae = borrow(pipeline, operation)->value.vae();
    const at::Tensor decoded = vae.decode(vae.unscale(borrow(latents, operation)->value), read.stop, tiling_of(read));
    place = make_tensor((decoded.to(at::kCPU, at::kFloat) * 0.5 + 0.5).clamp(0, 1));
  });
}

llmdit_status llmdit_pipeline_encode_image(llmdit_tensor** latents, const llmdit_pipeline* pipeline,
                                           const llmdit_image* image, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "pipeline_encode_image";
    llmdit_tensor*& place = output(latents, operation);
    const GenerateOptions read = read_options(options, operation);
    const AutoencoderKL vae = borrow(pipeline, operation)->value.vae();
    const auto picture = borrow(image, operation);
    const Image& source = *picture->value;
    const at::Tensor bytes =
        at::from_blob(const_cast<uint8_t*>(source.pixels.data()), {source.height, source.width, 3}, at::kByte);
    const at::Tensor pixels = bytes.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat) / 127.5 - 1;
    place = make_tensor(vae.scale(vae.encode(pixels, read.stop, tiling_of(read)).mean).to(at::kCPU, at::kFloat));
  });
}

int64_t llmdit_pipeline_size_multiple(const llmdit_pipeline* pipeline) {
  return guarded_value<int64_t>(0, [&] { return borrow(pipeline, "pipeline_size_multiple")->value.size_multiple(); });
}

int64_t llmdit_pipeline_max_text_tokens(const llmdit_pipeline* pipeline) {
  return guarded_value<int64_t>(
      0, [&] { return max_caption_len(borrow(pipeline, "pipeline_max_text_tokens")->value.transformer().config()); });
}

llmdit_status llmdit_pipeline_preview(llmdit_image** image, const llmdit_pipeline* pipeline,
                                      const llmdit_tensor* latents, int64_t scale) {
  return guarded([&] {
    const char* operation = "pipeline_preview";
    llmdit_image*& place = output(image, operation);
    Image preview = borrow(pipeline, operation)->value.vae().preview(borrow(latents, operation)->value, scale);
    place = make_image(std::move(preview));
  });
}

llmdit_status llmdit_pipeline_load_lora(llmdit_lora_report** report, llmdit_pipeline* pipeline, const char* path,
                                        double scale, bool strict) {
  return guarded([&] {
    const char* operation = "pipeline_load_lora";
    if (report) *report = nullptr;
    const auto held = borrow(pipeline, operation);
    LoraReport changes =
        held->value.load_lora(read_path(path, operation), scale, {.strict = read_bool(strict, "strict")});
    if (report) *report = make_handle(llmdit_lora_report{std::move(changes)});
  });
}

llmdit_status llmdit_pipeline_load_loras(llmdit_lora_report** report, llmdit_pipeline* pipeline,
                                         const llmdit_texts* loras, bool strict) {
  return guarded([&] {
    const char* operation = "pipeline_load_loras";
    if (report) *report = nullptr;
    const auto held = borrow(pipeline, operation);
    std::vector<Lora> adapters;
    for (const std::string& lora : read_texts(loras, operation)) adapters.push_back(parse_lora(lora));
    LoraReport changes = held->value.load_loras(adapters, {.strict = read_bool(strict, "strict")});
    if (report) *report = make_handle(llmdit_lora_report{std::move(changes)});
  });
}

llmdit_status llmdit_pipeline_loras(llmdit_text** loras, const llmdit_pipeline* pipeline) {
  return guarded([&] {
    llmdit_text*& place = output(loras, "pipeline_loras");
    std::vector<std::string> texts;
    for (const Lora& lora : borrow(pipeline, "pipeline_loras")->value.loras())
      texts.push_back(fmt::format("{}:{}{}", lora.path.string(), lora.scale, lora.text_encoder ? ":te" : ""));
    place = make_text(lines_of(texts));
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
