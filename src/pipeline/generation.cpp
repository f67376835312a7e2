#include "pipeline/generation.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <random>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "base/stopwatch.hpp"
#include "pipeline/denoise.hpp"
#include "pipeline/pictures.hpp"

namespace llmdit {
namespace {

struct Size {
  int64_t width, height;
};

/// What every prompt of a call is turned into, one entry a prompt.
struct Prompts {
  std::vector<at::Tensor> positive;
  std::vector<at::Tensor> negative;  // empty without guidance
};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// Options that are given and change nothing are told, not passed over.
std::vector<std::string> effect_warnings(std::span<const std::string> prompts, const GenerateOptions& options) {
  std::vector<std::string> warnings;
  for (const std::string& prompt : prompts) {
    if (is_blank(prompt)) warnings.push_back("the prompt is blank: the picture follows the chat template alone");
  }
  if (options.guidance_scale == 0) {
    const GenerateOptions defaults;
    if (!options.negative_prompt.empty()) warnings.push_back("negative_prompt has no effect while guidance_scale is 0");
    if (options.cfg_normalization != defaults.cfg_normalization)
      warnings.push_back("cfg_normalization has no effect while guidance_scale is 0");
    if (options.cfg_truncation != defaults.cfg_truncation)
      warnings.push_back("cfg_truncation has no effect while guidance_scale is 0");
  }
  if (options.negative_prompt_embeds && options.guidance_scale == 0) {
    warnings.push_back("negative_prompt_embeds has no effect while guidance_scale is 0");
  }
  if (options.negative_prompt_embeds && !options.negative_prompt.empty()) {
    warnings.push_back("negative_prompt has no effect: negative_prompt_embeds is given");
  }
  if (options.prompt_embeds &&
      (options.chat != ChatOptions{} || options.hidden_layer != GenerateOptions{}.hidden_layer)) {
    warnings.push_back("chat options and hidden_layer have no effect on prompt_embeds that are given");
  }
  if (options.generator && options.latents) warnings.push_back("generator has no effect: latents are given");
  if (options.seed && options.latents) warnings.push_back("seed has no effect: latents are given");
  if (options.seed && options.generator && !options.latents)
    warnings.push_back("seed has no effect: a generator is given");
  return warnings;
}

void check_side(int64_t side, int64_t multiple, int64_t most, const char* name) {
  check(side <= most, name, "expected at most {} pixels, the length of the model's rope table, got {}", most, side);
  check(side >= multiple && side % multiple == 0, name, "expected a multiple of {} pixels, got {}; the nearest is {}",
        multiple, side, std::max(multiple, (side + multiple / 2) / multiple * multiple));
}

/// Where latents come from and which seeds they have.
struct Noise {
  at::Tensor latents;
  std::vector<uint64_t> seeds;
};

Noise draw_noise(at::IntArrayRef shape, const GenerateOptions& options) {
  Noise noise;
  if (options.latents) {
    check(options.latents->sizes() == shape, "latents", "expected [{}], got [{}]", fmt::join(shape, ", "),
          fmt::join(options.latents->sizes(), ", "));
    noise.latents = options.latents->to(at::kCPU, at::kFloat);
    return noise;
  }
  if (options.generator) {
    check(options.generator->defined(), "generator", "expected a generator, got an empty one");
    noise.latents =
        at::randn(shape, options.generator, at::TensorOptions().dtype(at::kFloat).device(options.generator->device()))
            .cpu();
    return noise;
  }
  const uint64_t first = options.seed ? *options.seed : std::random_device{}();
  std::vector<at::Tensor> items;
  for (int64_t i = 0; i < shape[0]; ++i) {
    noise.seeds.push_back(first + static_cast<uint64_t>(i));
    items.push_back(make_noise({1, shape[1], shape[2], shape[3]}, noise.seeds.back()));
  }
  noise.latents = at::cat(items);
  return noise;
}

template <class T>
std::vector<T> repeat_each(const std::vector<T>& values, int64_t times) {
  std::vector<T> repeated;
  for (const T& value : values) repeated.insert(repeated.end(), static_cast<size_t>(times), value);
  return repeated;
}

/// One call of generate: its stages in order, sharing what the call is about.
class Generation {
 public:
  Generation(const PipelineParts& parts, std::span<const std::string> prompts, const GenerateOptions& options)
      : parts_(parts), texts_(prompts), options_(options) {}

  GenerateResult run() {
    // prompts -> prompt_embeds -> conditioning; noise -> denoise -> latents -> decode -> pictures
    check_request();
    Stopwatch total, watch;
    const Prompts prompts = encode();
    const DenoiseInputs inputs = prepare(prompts);
    result_.timings.encode = watch.lap();
    DenoiseResult denoised = denoise(parts_.transformer, inputs, options_.on_step, options_.stop);
    result_.latents = denoised.latents;
    result_.timings.steps = std::move(denoised.step_seconds);
    result_.timings.denoise = watch.lap();
    if (options_.output_type != OutputType::latent) decode();
    result_.timings.decode = watch.lap();
    result_.timings.total = total.lap();
    return std::move(result_);
  }

 private:
  void check_request() {
    check_options(options_);
    check(options_.prompt_embeds.has_value() || !texts_.empty(), "generate", "expected at least one prompt, got none");
    check(!options_.prompt_embeds || texts_.empty(), "generate", "expected prompts or prompt_embeds, got both");
    check(!options_.prompt_embeds || !options_.prompt_embeds->empty(), "prompt_embeds",
          "expected at least one tensor, got none");
    check(options_.sigmas.empty() || options_.num_inference_steps == GenerateOptions{}.num_inference_steps ||
              options_.num_inference_steps == static_cast<int64_t>(options_.sigmas.size()),
          "sigmas", "expected one noise level for each of {} steps, got {}; leave num_inference_steps out",
          options_.num_inference_steps, options_.sigmas.size());
    result_.warnings = parts_.load_warnings;
    result_.warnings.insert(result_.warnings.end(), parts_.lora_warnings.begin(), parts_.lora_warnings.end());
    result_.loras = parts_.loras;
    std::ranges::move(effect_warnings(texts_, options_), std::back_inserter(result_.warnings));
    result_.model = parts_.name;
    size_ = choose_size();
    prompt_count_ = options_.prompt_embeds ? options_.prompt_embeds->size() : texts_.size();
  }

  Size choose_size() const {
    const int64_t scale = parts_.vae.config().vae_scale_factor(), fallback = parts_.vae.config().sample_size;
    Size size{.width = options_.width.value_or(fallback), .height = options_.height.value_or(fallback)};
    if (options_.latents) {
      check(options_.latents->dim() == 4, "latents", "expected [batch, channels, h, w], got [{}]",
            fmt::join(options_.latents->sizes(), ", "));
      const Size own{.width = options_.latents->size(3) * scale, .height = options_.latents->size(2) * scale};
      check(options_.width.value_or(own.width) == own.width && options_.height.value_or(own.height) == own.height,
            "generate", "expected width and height to agree with the latents' {} x {} pixels, got {} x {}", own.width,
            own.height, size.width, size.height);
      size = own;
    }
    const int64_t multiple = parts_.size_multiple();
    const auto& axes_lens = parts_.transformer.config().axes_lens;
    check_side(size.width, multiple, axes_lens[2] * multiple, "width");
    check_side(size.height, multiple, axes_lens[1] * multiple, "height");
    return size;
  }

  Prompts encode() {
    Prompts prompts;
    const EncodeOptions encode_options{.hidden_layer = options_.hidden_layer, .stop = options_.stop};
    if (options_.prompt_embeds) {
      prompts.positive = *options_.prompt_embeds;
      for (const at::Tensor& embeds : prompts.positive)
        result_.token_counts.push_back(embeds.dim() > 0 ? embeds.size(0) : 0);
    } else {
      std::vector<std::string> formatted;
      for (const std::string& text : texts_) formatted.push_back(format_prompt(text, options_.chat));
      EncodingOutput output = parts_.text_encoder.encode(formatted, encode_options);
      prompts.positive = std::move(output.embeddings);
      result_.token_counts = std::move(output.token_counts);
      result_.formatted_prompts = std::move(output.formatted_prompts);
    }
    if (options_.guidance_scale > 0) prompts.negative = encode_negative(encode_options);
    return prompts;
  }

  std::vector<at::Tensor> encode_negative(const EncodeOptions& encode_options) const {
    std::vector<at::Tensor> negative;
    if (options_.negative_prompt_embeds) {
      negative = *options_.negative_prompt_embeds;
    } else {
      const ChatOptions chat{.force_think_block = options_.chat.force_think_block,
                             .strip_quotes = options_.chat.strip_quotes,
                             .clean_whitespace = options_.chat.clean_whitespace};
      const std::string text = format_prompt(options_.negative_prompt, chat);
      negative = parts_.text_encoder.encode(std::span(&text, 1), encode_options).embeddings;
    }
    if (negative.size() == 1) negative.resize(prompt_count_, negative.front());
    check(negative.size() == prompt_count_, "negative_prompt_embeds", "expected 1 or {} tensors, got {}", prompt_count_,
          negative.size());
    return negative;
  }

  DenoiseInputs prepare(const Prompts& prompts) {
    const int64_t scale = parts_.vae.config().vae_scale_factor(), patch = parts_.transformer.config().patch_size;
    const int64_t h = size_.height / scale, w = size_.width / scale, per_prompt = options_.num_images_per_prompt;
    Noise noise = draw_noise(
        {static_cast<int64_t>(prompt_count_) * per_prompt, parts_.transformer.config().in_channels, h, w}, options_);
    result_.seeds = std::move(noise.seeds);
    const int64_t steps =
        options_.sigmas.empty() ? options_.num_inference_steps : static_cast<int64_t>(options_.sigmas.size());
    result_.sigmas = parts_.scheduler.make_sigmas(
        steps, {.shift = options_.shift, .sigmas = options_.sigmas, .image_seq_len = (h / patch) * (w / patch)});
    return {.latents = noise.latents,
            .sigmas = result_.sigmas,
            .positive = condition(prompts.positive),
            .negative = condition(prompts.negative),
            .guidance = {options_.guidance_scale, options_.cfg_normalization, options_.cfg_truncation}};
  }

  // A caption is refined once, however many pictures are made of it.
  Conditioning condition(const std::vector<at::Tensor>& embeds) const {
    Conditioning conditioning = parts_.transformer.condition(embeds, options_.stop);
    conditioning.captions = repeat_each(conditioning.captions, options_.num_images_per_prompt);
    return conditioning;
  }

  void decode() {
    std::vector<at::Tensor> pixels;
    for (const at::Tensor& latents : result_.latents.split(1)) {  // one at a time: decoding is what needs most memory
      check_stop(options_.stop, "decode");
      pixels.push_back(to_unit_range(parts_.vae.decode(parts_.vae.unscale(latents), options_.stop)));
      if (!at::isfinite(pixels.back()).all().item<bool>()) {
        fail(ErrorCode::internal, "decode", "the decoded picture is not finite; check the autoencoder's weights");
      }
      result_.images.push_back(to_image(pixels.back()[0]));
    }
    if (options_.output_type == OutputType::tensor) result_.pixels = at::cat(pixels);
  }

  const PipelineParts& parts_;
  std::span<const std::string> texts_;
  const GenerateOptions& options_;
  size_t prompt_count_ = 0;
  Size size_{};
  GenerateResult result_;
};

}  // namespace

GenerateResult run_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                              const GenerateOptions& options) {
  return Generation(parts, prompts, options).run();
}

}  // namespace llmdit
