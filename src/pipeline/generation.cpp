#include "pipeline/generation.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "base/stopwatch.hpp"
#include "io/encoding.hpp"
#include "pipeline/denoise.hpp"
#include "pipeline/effect_warnings.hpp"
#include "pipeline/long_prompt.hpp"
#include "pipeline/model_turns.hpp"
#include "pipeline/noise.hpp"
#include "pipeline/pictures.hpp"
#include "pipeline/source_picture.hpp"

namespace llmdit {
namespace {

/// What every prompt of a call is turned into, one entry a prompt.
struct Prompts {
  std::vector<at::Tensor> positive;
  std::vector<at::Tensor> negative;  // empty without guidance
};

void check_side(int64_t side, int64_t multiple, int64_t most, const char* name) {
  check(side <= most, name, "expected at most {} pixels, the length of the model's rope table, got {}", most, side);
  check(side >= multiple && side % multiple == 0, name, "expected a multiple of {} pixels, got {}; the nearest is {}",
        multiple, side, std::max(multiple, (side + multiple / 2) / multiple * multiple));
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
    // prompts -> prompt_embeds -> compress -> conditioning; noise -> denoise -> latents -> decode -> pictures
    check_request();
    Stopwatch total, watch;
    LongPrompts long_prompts(parts_.transformer.config(), options_);
    const Prompts prompts = compress(encode(long_prompts), long_prompts);
    const DenoiseInputs inputs = prepare(prompts);
    result_.timings.encode = watch.lap();
    DenoiseResult denoised = denoise_all(inputs);
    result_.latents = denoised.latents;
    result_.timings.steps = std::move(denoised.step_seconds);
    result_.reused_steps = std::move(denoised.reused_steps);
    result_.timings.denoise = watch.lap();
    if (options_.output_type != OutputType::latent) decode();
    result_.timings.decode = watch.lap();
    result_.timings.total = total.lap();
    result_.load = parts_.load;
    result_.made_with = made_with(parts_, result_.vl.has_value());
    return std::move(result_);
  }

  /// The checks of run, as far as they need no model.
  Foresight foresee(bool is_batch) {
    check_request();
    const ChatOptions chat = chat_options();
    LongPrompts long_prompts(parts_.transformer.config(), options_);
    if (options_.prompt_embeds) {
      for (const at::Tensor& embeds : *options_.prompt_embeds)
        result_.token_counts.push_back(embeds.dim() > 0 ? embeds.size(0) : 0);
      long_prompts.foresee(*options_.prompt_embeds, prompt_side.name);
    } else {
      for (size_t i = 0; i < texts_.size(); i += is_batch ? texts_.size() : 1)
        foresee_texts(long_prompts, is_batch ? texts_ : texts_.subspan(i, 1), chat, prompt_side, &result_.token_counts);
    }
    if (options_.guidance_scale > 0 && !options_.negative_prompt_embeds)
      foresee_texts(long_prompts, {&options_.negative_prompt, 1}, negative_chat(chat), negative_side, nullptr);
    std::ranges::copy(long_prompts.warnings(), std::back_inserter(result_.warnings));
    if (options_.image && (!options_.latents || repaints(options_))) load_source(options_, size_, result_.warnings);
    Foresight foresight{.warnings = {}, .size = size_, .token_counts = std::move(result_.token_counts)};
    for (std::string& warning : result_.warnings) {
      if (std::ranges::find(foresight.warnings, warning) == foresight.warnings.end())
        foresight.warnings.push_back(std::move(warning));
    }
    return foresight;
  }

 private:
  void foresee_texts(LongPrompts& long_prompts, std::span<const std::string> prompts, const ChatOptions& chat,
                     const PromptSide& side, std::vector<int64_t>* token_counts) const {
    parts_.prompt_encoder();
    const auto counts =
        long_prompts.foresee(parts_.text_encoder ? &*parts_.text_encoder : nullptr, prompts, chat, side);
    if (token_counts) token_counts->insert(token_counts->end(), counts.begin(), counts.end());
  }

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
    check(static_cast<int64_t>(options_.sigmas.size()) <= max_inference_steps, "sigmas",
          "expected at most {} noise levels, got {}", max_inference_steps, options_.sigmas.size());
    check_models();
    check_source();
    check_embeddings();
    if (reads_vl_image()) parts_.vl->check(options_.vl, parts_.transformer.config().cap_feat_dim);
    result_.warnings = parts_.load_warnings;
    result_.warnings.insert(result_.warnings.end(), parts_.lora_warnings.begin(), parts_.lora_warnings.end());
    result_.loras = parts_.loras;
    std::ranges::move(effect_warnings(texts_, options_), std::back_inserter(result_.warnings));
    result_.model = parts_.name;
    size_ = choose_size();
    tiling_ = choose_tiling();
    choose_sigmas();
    prompt_count_ = options_.prompt_embeds ? options_.prompt_embeds->size() : texts_.size();
  }

  /// What would fail only after all else has done its work.
  void check_models() const {
    const auto check_loaded = [](bool is_loaded, std::string_view part) {
      check(is_loaded, "generate", "expected a pipeline with its {}, which was closed; load it again", part);
    };
    check_loaded(parts_.transformer.is_loaded(), "transformer");
    check_loaded(parts_.vae.is_loaded() || (options_.output_type == OutputType::latent && !options_.image),
                 "autoencoder");
  }

  /// What would fail only after the text side has done its work.
  void check_source() const {
    if (!options_.image || (options_.latents && !repaints(options_)) || parts_.vae.has_encoder()) return;
    fail(ErrorCode::unsupported, "image",
         "expected an encoder in the autoencoder's file, found only a decoder; use the full autoencoder's file");
  }

  /// Of the caller; later they would look like a fault of the weights.
  void check_embeddings() const {
    for (const auto& [name, given] : {std::pair("prompt_embeds", &options_.prompt_embeds),
                                      std::pair("negative_prompt_embeds", &options_.negative_prompt_embeds)}) {
      for (size_t i = 0; *given && i < (*given)->size(); ++i) {
        const at::Tensor& rows = (**given)[i];
        check(!rows.defined() || !rows.is_floating_point() || at::isfinite(rows).all().item<bool>(), name,
              "expected finite numbers, got NaN or infinity in tensor {}; look for them in what made it", i);
      }
    }
  }

  bool reads_vl_image() const { return options_.vl_image && options_.vl.alpha != 0; }

  PictureSize choose_size() {
    const int64_t scale = parts_.vae.config().vae_scale_factor(), fallback = parts_.vae.config().sample_size;
    const int64_t multiple = parts_.size_multiple();
    PictureSize size{.width = options_.width.value_or(fallback), .height = options_.height.value_or(fallback)};
    if (options_.image && !options_.latents) size = size_for_source(options_, multiple, result_.warnings);
    if (options_.latents) {
      check(options_.latents->dim() == 4, "latents", "expected [batch, channels, h, w], got [{}]",
            fmt::join(options_.latents->sizes(), ", "));
      const PictureSize own{.width = options_.latents->size(3) * scale, .height = options_.latents->size(2) * scale};
      check(options_.width.value_or(own.width) == own.width && options_.height.value_or(own.height) == own.height,
            "generate", "expected width and height to agree with the latents' {} x {} pixels, got {} x {}", own.width,
            own.height, size.width, size.height);
      size = own;
    }
    const auto& axes_lens = parts_.transformer.config().axes_lens;
    check_side(size.width, multiple, axes_lens[2] * multiple, "width");
    check_side(size.height, multiple, axes_lens[1] * multiple, "height");
    return size;
  }

  /// Whether to tile is decided once, for encoding and decoding alike.
  TilingOptions choose_tiling() {
    TilingOptions tiling{options_.vae_tiling, options_.vae_tile_size, options_.vae_tile_overlap};
    const bool tiled = parts_.vae.is_tiled(size_.height, size_.width, tiling);
    if (tiled && tiling.mode == TilingMode::automatic) {
      result_.warnings.push_back(
          fmt::format("the autoencoder works in tiles of {} pixels: the memory that is free may not hold a picture of "
                      "{} x {} pixels as a whole",
                      tiling.tile_size, size_.width, size_.height));
    }
    result_.vae_tiled = tiled;
    tiling.mode = tiled ? TilingMode::on : TilingMode::off;
    return tiling;
  }

  Prompts encode(LongPrompts& long_prompts) {
    Prompts prompts;
    const ChatOptions chat = chat_options();
    if (options_.prompt_embeds) {
      prompts.positive = *options_.prompt_embeds;
      for (const at::Tensor& embeds : prompts.positive)
        result_.token_counts.push_back(embeds.dim() > 0 ? embeds.size(0) : 0);
    } else {
      EncodingOutput output =
          long_prompts.encode(parts_.prompt_encoder(), parts_.tokenizer(), texts_, chat, prompt_side);
      prompts.positive = std::move(output.embeddings);
      result_.token_counts = std::move(output.token_counts);
      result_.formatted_prompts = std::move(output.formatted_prompts);
    }
    condition_on_vl_image(prompts.positive);
    if (options_.guidance_scale > 0) prompts.negative = encode_negative(chat, long_prompts);
    return prompts;
  }

  /// Those of the call, in the template they choose.
  ChatOptions chat_options() {
    ChatOptions chat = options_.chat;
    result_.prompt_template = template_of(chat);
    if (result_.prompt_template && result_.prompt_template->category == "rewriter") {
      result_.warnings.push_back(
          fmt::format("the template '{}' tells a language model how to rewrite prompts; it is none "
                      "of pictures",
                      io::printable(result_.prompt_template->name)));
    }
    chat.prompt_template = result_.prompt_template;
    chat.template_name.clear();
    return resolve_template(chat);
  }

  void condition_on_vl_image(std::vector<at::Tensor>& embeds) {
    if (!reads_vl_image()) return;
    if (parts_.turns) parts_.turns->clear();  // Qwen3-VL comes by itself
    const VLEmbeddingExtractor extractor = parts_.vl->get();
    const Qwen3Config& encoder = parts_.text_encoder ? parts_.text_encoder->config() : extractor.config().text;
    VLConditioned conditioned = condition_on_picture(extractor, embeds, options_, encoder.num_hidden_layers);
    embeds = std::move(conditioned.embeddings);
    result_.vl = std::move(conditioned.extraction);
    std::ranges::move(conditioned.warnings, std::back_inserter(result_.warnings));
  }

  /// A negative prompt has the form of the prompt without its texts.
  static ChatOptions negative_chat(const ChatOptions& of_prompt) {
    return {.force_think_block = of_prompt.force_think_block,
            .strip_quotes = of_prompt.strip_quotes,
            .clean_whitespace = of_prompt.clean_whitespace};
  }

  std::vector<at::Tensor> encode_negative(const ChatOptions& of_prompt, LongPrompts& long_prompts) const {
    if (options_.negative_prompt_embeds) return *options_.negative_prompt_embeds;
    const std::span prompt(&options_.negative_prompt, 1);
    return long_prompts
        .encode(parts_.prompt_encoder(), parts_.tokenizer(), prompt, negative_chat(of_prompt), negative_side)
        .embeddings;
  }

  /// The last word on length, and the only stage that knows the transformer's limit.
  Prompts compress(Prompts prompts, LongPrompts& long_prompts) {
    const std::vector<at::Tensor> before = prompts.positive;
    prompts.positive = long_prompts.compress(before, prompt_side.name);
    for (size_t i = 0; i < before.size(); ++i) {
      const bool has_rows = before[i].dim() > 0 && before[i].size(0) > 0;
      result_.caption_lengths.push_back(has_rows ? prompts.positive[i].size(0) : 0);
      result_.compression_ratios.push_back(
          has_rows ? static_cast<double>(before[i].size(0)) / static_cast<double>(prompts.positive[i].size(0)) : 1.0);
    }
    auto& negative = prompts.negative;
    negative = long_prompts.compress(std::move(negative), negative_side.name);
    if (negative.size() == 1) negative.resize(prompt_count_, negative.front());
    check(options_.guidance_scale == 0 || negative.size() == prompt_count_, "negative_prompt_embeds",
          "expected 1 or {} tensors, got {}", prompt_count_, negative.size());
    std::ranges::copy(long_prompts.warnings(), std::back_inserter(result_.warnings));
    return prompts;
  }

  void choose_sigmas() {
    const int64_t multiple = parts_.size_multiple(), steps = schedule_steps(options_);
    const int64_t patches = (size_.height / multiple) * (size_.width / multiple);
    result_.sigmas = parts_.scheduler.make_sigmas(
        steps, {.shift = options_.shift, .sigmas = options_.sigmas, .image_seq_len = patches});
    if (options_.image)
      result_.sigmas.erase(result_.sigmas.begin(), result_.sigmas.begin() + first_step(steps, strength_of(options_)));
    const SchedulerConfig& scheduler = parts_.scheduler.config();
    result_.shift = options_.shift;
    if (!result_.shift && !scheduler.use_dynamic_shifting) result_.shift = scheduler.shift;
  }

  DenoiseInputs prepare(const Prompts& prompts) {
    const int64_t scale = parts_.vae.config().vae_scale_factor();
    const int64_t h = size_.height / scale, w = size_.width / scale;
    DenoiseInputs inputs{.latents = {},
                         .sigmas = result_.sigmas,
                         .positive = condition(prompts.positive),
                         .negative = condition(prompts.negative),
                         .guidance = {options_.guidance_scale, options_.cfg_normalization, options_.cfg_truncation},
                         .step_cache = options_.step_cache};
    set_start(inputs, {parts_.transformer.config().in_channels, h, w});
    return inputs;
  }

  /// What denoising starts from: latents of the caller, noise, or an image with noise mixed in.
  void set_start(DenoiseInputs& inputs, at::IntArrayRef item) {
    const int64_t batch = static_cast<int64_t>(prompt_count_) * options_.num_images_per_prompt;
    const bool repaint = repaints(options_);
    if (options_.latents) inputs.latents = given_latents(batch, item);
    if (options_.latents && !repaint) return;
    NoiseSource noise(options_, batch);
    result_.seeds = noise.seeds();
    if (!options_.image) {
      inputs.latents = noise.draw(item);
      return;
    }
    source_ = load_source(options_, size_, result_.warnings);
    // The reference encodes the image before it draws the noise, but after where latents are given.
    at::Tensor drawn, image_latents;
    if (options_.latents) drawn = noise.draw(item);
    image_latents = encode_source(noise.draw_for_source(item));
    if (!options_.latents) drawn = noise.draw(item);
    if (!options_.latents) inputs.latents = scale_noise(image_latents, drawn, inputs.sigmas.front());
    if (repaint) {
      const int64_t scale = parts_.vae.config().vae_scale_factor();
      inputs.repaint = {latent_mask(source_.mask, scale, options_.mask_feather > 0), image_latents, drawn};
    }
  }

  at::Tensor given_latents(int64_t batch, at::IntArrayRef item) const {
    std::vector<int64_t> shape = {batch};
    shape.insert(shape.end(), item.begin(), item.end());
    check(options_.latents->sizes() == at::IntArrayRef(shape), "latents", "expected [{}], got [{}]",
          fmt::join(shape, ", "), fmt::join(options_.latents->sizes(), ", "));
    return options_.latents->to(at::kCPU, at::kFloat);
  }

  /// A draw from the distribution that the image is encoded to, in the denoiser's scale.
  at::Tensor encode_source(const at::Tensor& noise) const {
    const LatentDistribution latents = parts_.vae.encode(source_.pixels * 2.0 - 1.0, options_.stop, tiling_);
    const at::Tensor mean = latents.mean.to(at::kCPU, at::kFloat), logvar = latents.logvar.to(at::kCPU, at::kFloat);
    return parts_.vae.scale(mean + at::exp(logvar * 0.5) * noise);
  }

  // A caption is refined once, however many pictures are made of it.
  Conditioning condition(const std::vector<at::Tensor>& embeds) const {
    const bool extrapolate = options_.long_prompt_mode == LongPromptMode::extrapolate;
    Conditioning conditioning =
        parts_.transformer.condition(embeds, {.extrapolate = extrapolate, .stop = options_.stop});
    conditioning.captions = repeat_each(conditioning.captions, options_.num_images_per_prompt);
    return conditioning;
  }

  DenoiseResult denoise_all(const DenoiseInputs& inputs) const {
    const auto held = ModelTurns::hold(parts_.transformer, options_.stop);
    return denoise(parts_.transformer, inputs, options_.on_step, options_.stop);
  }

  void decode() {
    const auto held = ModelTurns::hold(parts_.vae, options_.stop);
    std::vector<at::Tensor> pixels;
    for (const at::Tensor& latents : result_.latents.split(1)) {  // one at a time: decoding is what needs most memory
      check_stop(options_.stop, "decode");
      pixels.push_back(to_unit_range(parts_.vae.decode(parts_.vae.unscale(latents), options_.stop, tiling_)));
      if (!at::isfinite(pixels.back()).all().item<bool>()) {
        fail(ErrorCode::internal, "decode", "the decoded picture is not finite; check the autoencoder's weights");
      }
      if (options_.mask_composite && source_.mask.defined())
        pixels.back() = source_.mask * pixels.back() + (1.0 - source_.mask) * source_.pixels;
      result_.images.push_back(to_image(pixels.back()[0]));
    }
    if (options_.output_type == OutputType::tensor) result_.pixels = at::cat(pixels);
  }

  const PipelineParts& parts_;
  std::span<const std::string> texts_;
  const GenerateOptions& options_;
  size_t prompt_count_ = 0;
  PictureSize size_{};
  TilingOptions tiling_{};
  SourcePicture source_{};
  GenerateResult result_;
};

}  // namespace

const TextEncoder& PipelineParts::prompt_encoder() const {
  if (!encoder) {
    fail(ErrorCode::unsupported, "generate",
         "expected prompt_embeds, as the pipeline was loaded without a text encoder, got a prompt; with guidance the "
         "negative prompt needs negative_prompt_embeds, too");
  }
  return *encoder;
}

Foresight foresee_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                             const GenerateOptions& options, bool is_batch) {
  const std::string any = "a picture";
  const bool has_any = !prompts.empty() || options.prompt_embeds;
  Foresight foresight = Generation(parts, has_any ? prompts : std::span(&any, 1), options).foresee(is_batch);
  if (!has_any) foresight.token_counts.clear();
  return foresight;
}

GenerateResult run_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                              const GenerateOptions& options) {
  return Generation(parts, prompts, options).run();
}

}  // namespace llmdit
