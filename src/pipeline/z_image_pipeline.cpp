#include "llmdit/z_image_pipeline.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <mutex>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/path_kind.hpp"
#include "llmdit/compatibility.hpp"
#include "llmdit/embedding_cache.hpp"
#include "llmdit/embedding_file.hpp"
#include "llmdit/model_sources.hpp"
#include "models/model_files.hpp"
#include "nn/gemm.hpp"
#include "pipeline/generation.hpp"
#include "pipeline/lora_loader.hpp"
#include "pipeline/model_turns.hpp"
#include "pipeline/weight_plan.hpp"

namespace llmdit {
namespace {

/// Where a part's sizes stand written: its configuration, or a bare file itself.
std::string place_of_sizes(const std::filesystem::path& part) {
  const auto config = part / "config.json";
  return io::printable_path(io::is_file(config) ? config : part);
}

void check_parts_fit(const ModelSources& sources, const PipelineParts& parts) {
  const auto& transformer = parts.transformer.config();
  const auto& vae = parts.vae.config();
  std::string name;
  if (parts.text_encoder) name = check_compatibility(parts.text_encoder->config(), transformer).model_name;
  const int64_t width = parts.encoder ? parts.encoder->hidden_size() : 0;
  if (width != 0 && width != transformer.cap_feat_dim) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected the text encoder's width to be the transformer's cap_feat_dim, found hidden_size {}{} in {} "
         "and cap_feat_dim {} in {}",
         width, name.empty() ? "" : ", that of " + name,
         parts.text_encoder ? place_of_sizes(sources.text_encoder()) : "the encoder that was passed",
         transformer.cap_feat_dim, place_of_sizes(sources.transformer()));
  }
  if (vae.in_channels != 3 || vae.out_channels != 3) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected an autoencoder of RGB pictures in {}, found {} channels in and {} out",
         place_of_sizes(sources.vae()), vae.in_channels, vae.out_channels);
  }
  if (vae.latent_channels != transformer.in_channels) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected the autoencoder's latents to be the transformer's, found latent_channels {} in {} and "
         "in_channels {} in {}",
         vae.latent_channels, place_of_sizes(sources.vae()), transformer.in_channels,
         place_of_sizes(sources.transformer()));
  }
}

void warn_unused(std::vector<std::string>& warnings, const char* part, const std::vector<std::string>& names) {
  if (names.empty()) return;
  warnings.push_back(fmt::format("{}: {} tensors of the file have no place in the model: {}", part, names.size(),
                                 io::printable_list(names)));
}

/// Whether the kind makes anything of these files smaller, or has it multiplied in integers.
template <class Files>
bool has_effect(const Files& files, Quantization kind) {
  const bool in_integers = std::ranges::any_of(files.table.places(), [&](const auto& named) {
    const io::TensorEntry& entry = *named.second.entry;
    return (kind == Quantization::int8 && entry.dtype == at::kChar) ||
           (entry.block && nn::has_integer_product(*entry.block));
  });
  if (in_integers) return true;
  const auto bytes = [&](Quantization quantization) {
    uint64_t total = 0;
    for (const auto& [name, kept] : plan_weights(files, {.quantization = quantization}).kept) total += kept.total();
    return total;
  };
  return bytes(kind) < bytes(Quantization::none);
}

/// Options of placement that are given in vain.
void warn_without_effect(std::vector<std::string>& warnings, const ModelSources& sources, bool has_own_encoder,
                         const LoadOptions& options) {
  const auto warn = [&](std::string_view part) {
    warnings.push_back(
        fmt::format("quantization has no effect on the {}: its matrices have as few bits in the file", part));
  };
  const auto dit = options.dit_quantization.value_or(options.quantization);
  if (dit != Quantization::none &&
      !has_effect(models::open_z_image(sources.transformer(), sources.config_of("transformer")), dit))
    warn("transformer");
  const auto encoder = options.text_encoder_quantization.value_or(options.quantization);
  if (has_own_encoder && encoder != Quantization::none &&
      !has_effect(models::open_qwen3(sources.text_encoder(), sources.config_of("text_encoder")), encoder))
    warn("text_encoder");
  if (has_own_encoder) return;
  for (const auto& [name, is_given] :
       {std::pair("text_encoder_device", options.text_encoder_device.has_value()),
        std::pair("text_encoder_quantization", options.text_encoder_quantization.has_value())}) {
    if (is_given) warnings.push_back(fmt::format("{} has no effect: the model's own text encoder is not loaded", name));
  }
}

std::vector<std::string> load_warnings(const ModelSources& sources, const PipelineParts& parts,
                                       const LoadOptions& options) {
  std::vector<std::string> warnings;
  if (parts.text_encoder) {
    const auto encoder = check_compatibility(parts.text_encoder->config(), parts.transformer.config());
    for (const auto& list : {encoder.errors, encoder.warnings}) {
      for (const std::string& text : list) warnings.push_back(fmt::format("text_encoder: {}", text));
    }
    warn_unused(warnings, "text_encoder", parts.text_encoder->unused_weights());
  }
  warn_unused(warnings, "transformer", parts.transformer.unused_weights());
  warn_unused(warnings, "vae", parts.vae.unused_weights());
  if ((options.enable_cache || options.cache_folder) && !parts.text_encoder &&
      (!parts.encoder || parts.encoder->fingerprint().empty())) {
    warnings.emplace_back("a cache has no effect: the text encoder does not say what its embeddings depend on");
  }
  warn_without_effect(warnings, sources, parts.text_encoder.has_value(), options);
  const LoadOptions defaults;
  if (!options.enable_cache && !options.cache_folder &&
      (options.cache_size != defaults.cache_size || options.cache_megabytes != defaults.cache_megabytes)) {
    warnings.emplace_back("cache_size and cache_megabytes have no effect without enable_cache or a cache_folder");
  }
  if (sources.scheduler().empty()) {
    warnings.push_back(
        fmt::format("scheduler: there is no scheduler_config.json; the shift is {}, that of Z-Image-Turbo",
                    parts.scheduler.config().shift));
  }
  return warnings;
}

/// A folder by its own name, a file without its suffix; behind links, as the hub's cache has them.
std::string model_name(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto real = std::filesystem::weakly_canonical(path, ignored);
  return (std::filesystem::is_directory(real, ignored) ? real.filename() : real.stem()).string();
}

/// An encoder from elsewhere behind the cache that the options ask for; the model's own has it inside.
std::shared_ptr<const TextEncoder> with_cache(std::shared_ptr<const TextEncoder> encoder, const LoadOptions& options) {
  auto cache = make_embedding_cache(options);
  // Without an encoder only what is in a folder can come out of a cache.
  if (!cache || (!encoder && !options.cache_folder)) return encoder;
  return std::make_shared<const CachedTextEncoder>(std::move(encoder), std::move(cache));
}

/// `encoder`: what encodes prompts instead of the model's own; null: nothing does. Not given: the model's own.
/// With `turns` no weight is read before its model is used.
PipelineParts load_parts(const ModelSources& sources, const LoadOptions& options,
                         const std::optional<std::shared_ptr<const TextEncoder>>& encoder,
                         const std::shared_ptr<nn::Turns>& turns) {
  constexpr SchedulerConfig turbo{.shift = 3.0};
  const LoadOptions own = component_options(options);
  // Everything is found, and small parts are loaded, before anything large is mapped.
  const auto scheduler_path = sources.scheduler(), transformer_path = sources.transformer(), vae_path = sources.vae();
  auto scheduler = scheduler_path.empty() ? FlowMatchScheduler(turbo) : FlowMatchScheduler::load(scheduler_path);
  std::optional<ZImageTextEncoder> text_encoder;
  if (!encoder) text_encoder = ModelTurns::load<ZImageTextEncoder>(sources, options, turns);
  auto transformer =
      ModelTurns::load<ZImageTransformer>(transformer_path, own, sources.config_of("transformer"), turns);
  LoadOptions plain = own;
  plain.quantization = Quantization::none;
  auto vae = ModelTurns::load<AutoencoderKL>(vae_path, plain, sources.config_of("vae"), turns);
  const bool is_named = options.transformer_path || sources.model().empty();
  PipelineParts parts{
      .path = sources.model().empty() ? transformer_path : sources.model(),
      .name = model_name(is_named ? transformer_path : sources.model()),
      .text_encoder = text_encoder,
      .encoder = encoder ? with_cache(*encoder, options) : std::make_shared<const ZImageTextEncoder>(*text_encoder),
      .transformer = std::move(transformer),
      .vae = std::move(vae),
      .scheduler = std::move(scheduler),
      .vl = std::make_shared<const VLSource>(sources, options),
      .turns = turns,
      .load = options,
      .provenance = std::make_shared<const Provenance>(sources, options, text_encoder.has_value())};
  check_parts_fit(sources, parts);
  parts.load_warnings = load_warnings(sources, parts, options);
  return parts;
}

/// Reads adapters for the parts, which are told of them; the weights stay as they are.
std::vector<LoraLoader::Loaded> read_loras(PipelineParts& parts, std::span<const Lora> loras, bool strict,
                                           LoraReport& report) {
  std::vector<LoraLoader::Loaded> loaded;
  for (const Lora& lora : loras) {
    loaded.push_back(LoraLoader::read({parts.transformer, parts.text_encoder}, lora, strict, report));
    parts.loras.push_back(lora);
    parts.lora_contents.push_back(loaded.back().content);
  }
  parts.lora_warnings.insert(parts.lora_warnings.end(), report.warnings.begin(), report.warnings.end());
  return loaded;
}

std::vector<Lora> loras_of(const LoadOptions& options) {
  std::vector<Lora> loras;
  for (const std::string& text : options.lora) loras.push_back(parse_lora(text));
  return loras;
}

/// Stands for an encoder that is not asked yet.
class EncoderElsewhere final : public TextEncoder {
 public:
  EncodingOutput encode(std::span<const std::string>, const EncodeOptions&) const override {
    fail(ErrorCode::internal, "text_encoder", std::string_view("expected an encoder to encode, got the sign for one"));
  }
  int64_t hidden_size() const override { return 0; }
  std::string fingerprint() const override { return "elsewhere"; }
};

}  // namespace

/// The parts as they are now. Loading adapters puts others in their place; calls keep those they began with.
struct ZImagePipeline::Impl {
  explicit Impl(PipelineParts parts) : parts_(std::make_shared<const PipelineParts>(std::move(parts))) {}

  std::shared_ptr<const PipelineParts> parts() const {
    const std::lock_guard lock(mutex_);
    return parts_;
  }

  LoraReport load_loras(std::span<const Lora> loras, const LoraOptions& options) {
    const std::lock_guard changing(changes_);
    auto next = std::make_shared<PipelineParts>(*parts());
    LoraReport report;
    std::vector<LoraLoader::Loaded> loaded = loaded_;
    std::ranges::move(read_loras(*next, loras, options.strict, report), std::back_inserter(loaded));
    change(std::move(next), std::move(loaded));
    return report;
  }

  void unload_loras() {
    const std::lock_guard changing(changes_);
    auto next = std::make_shared<PipelineParts>(*parts());
    next->loras.clear();
    next->lora_contents.clear();
    next->lora_warnings.clear();
    change(std::move(next), {});
  }

 private:
  /// Puts `next`, with the models that these adapters give, in the place of the present parts.
  void change(std::shared_ptr<PipelineParts> next, std::vector<LoraLoader::Loaded> loaded) {
    auto models = LoraLoader::apply({next->transformer, next->text_encoder}, loaded);
    next->transformer = std::move(models.transformer);
    next->text_encoder = std::move(models.text_encoder);
    if (next->text_encoder) next->encoder = std::make_shared<const ZImageTextEncoder>(*next->text_encoder);
    loaded_ = std::move(loaded);
    const std::lock_guard lock(mutex_);
    parts_ = std::move(next);
  }

  std::mutex changes_;        // one change after another
  mutable std::mutex mutex_;  // of parts_
  std::shared_ptr<const PipelineParts> parts_;
  std::vector<LoraLoader::Loaded> loaded_;
};

ZImagePipeline::ZImagePipeline(PipelineParts parts, const LoadOptions& options)
    : impl_(std::make_shared<Impl>(std::move(parts))) {
  const std::vector<Lora> loras = loras_of(options);
  if (!loras.empty()) load_loras(loras);
}

ZImagePipeline ZImagePipeline::load(const std::filesystem::path& path, const LoadOptions& options) {
  return translate_errors("pipeline", [&] {
    check_options(options);
    return ZImagePipeline(load_parts(ModelSources(path, options), options, std::nullopt, ModelTurns::of(options)),
                          options);
  });
}

ZImagePipeline ZImagePipeline::load(const std::filesystem::path& path, const LoadOptions& options,
                                    std::shared_ptr<const TextEncoder> encoder) {
  return translate_errors("pipeline", [&] {
    check_options(options);
    return ZImagePipeline(load_parts(ModelSources(path, options), options, std::move(encoder), ModelTurns::of(options)),
                          options);
  });
}

Foresight foresee_generation(const ModelSources& sources, const LoadOptions& load, std::span<const std::string> prompts,
                             const GenerateOptions& options, const PlanOptions& plan) {
  check_options(load);
  std::optional<std::shared_ptr<const TextEncoder>> encoder;
  if (!plan.encodes_here) encoder = plan.has_encoder ? std::make_shared<const EncoderElsewhere>() : nullptr;
  PipelineParts parts = load_parts(sources, load, encoder, std::make_shared<nn::Turns>());
  LoraReport report;
  read_loras(parts, loras_of(load), LoraOptions{}.strict, report);
  return foresee_generation(parts, prompts, options, plan.is_batch);
}

GenerateResult ZImagePipeline::generate(std::string_view prompt, const GenerateOptions& options) const {
  const std::string text(prompt);
  return generate(std::span(&text, 1), options);
}

GenerateResult ZImagePipeline::generate(std::span<const std::string> prompts, const GenerateOptions& options) const {
  return translate_errors("generate", [&] {
    const c10::NoGradGuard guard;
    return run_generation(*impl_->parts(), prompts, options);
  });
}

GenerateResult ZImagePipeline::generate(std::initializer_list<std::string> prompts,
                                        const GenerateOptions& options) const {
  return generate(std::span(prompts.begin(), prompts.size()), options);
}

EncodingOutput ZImagePipeline::encode_prompt(std::span<const std::string> prompts, const ChatOptions& chat,
                                             const EncodeOptions& options) const {
  const ChatOptions resolved = resolve_template(chat);
  std::vector<std::string> formatted;
  for (const std::string& prompt : prompts) formatted.push_back(format_prompt(prompt, resolved));
  EncodingOutput output = impl_->parts()->prompt_encoder().encode(formatted, options);
  describe_encoding(output, prompts, chat);
  output.metadata["model"] = impl_->parts()->name;
  return output;
}

LoraReport ZImagePipeline::load_loras(std::span<const Lora> loras, const LoraOptions& options) {
  return translate_errors("lora", [&] {
    const c10::NoGradGuard guard;
    check(!loras.empty(), "lora", "expected at least one file, got none");
    return impl_->load_loras(loras, options);
  });
}

LoraReport ZImagePipeline::load_lora(const std::filesystem::path& path, double scale, const LoraOptions& options) {
  const Lora lora{.path = path, .scale = scale};
  return load_loras(std::span(&lora, 1), options);
}

void ZImagePipeline::unload_loras() {
  translate_errors("lora", [&] {
    const c10::NoGradGuard guard;
    impl_->unload_loras();
  });
}

std::vector<Lora> ZImagePipeline::loras() const { return impl_->parts()->loras; }
std::shared_ptr<const TextEncoder> ZImagePipeline::encoder() const { return impl_->parts()->encoder; }

ZImageTextEncoder ZImagePipeline::text_encoder() const {
  const auto parts = impl_->parts();
  if (!parts->text_encoder) {
    fail(ErrorCode::unsupported, "pipeline",
         std::string_view("expected the model's own text encoder, but the pipeline was loaded without it"));
  }
  return *parts->text_encoder;
}

ZImageTransformer ZImagePipeline::transformer() const { return impl_->parts()->transformer; }
AutoencoderKL ZImagePipeline::vae() const { return impl_->parts()->vae; }
FlowMatchScheduler ZImagePipeline::scheduler() const { return impl_->parts()->scheduler; }
VLEmbeddingExtractor ZImagePipeline::vl_encoder() const { return impl_->parts()->vl->get(); }
std::filesystem::path ZImagePipeline::path() const { return impl_->parts()->path; }
int64_t ZImagePipeline::size_multiple() const { return impl_->parts()->size_multiple(); }

}  // namespace llmdit
