#include "llmdit/z_image_pipeline.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/model_config.hpp"
#include "pipeline/generation.hpp"

namespace llmdit {

struct ZImagePipeline::Impl : PipelineParts {};

namespace {

void check_parts_fit(const std::filesystem::path& path, const ZImageTextEncoder& text_encoder,
                     const ZImageTransformer& transformer, const AutoencoderKL& vae) {
  const auto config_of = [&](const char* part) { return (path / part / "config.json").string(); };
  if (text_encoder.hidden_size() != transformer.config().cap_feat_dim) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected the text encoder's width to be the transformer's cap_feat_dim, found hidden_size {} in {} "
         "and cap_feat_dim {} in {}",
         text_encoder.hidden_size(), config_of("text_encoder"), transformer.config().cap_feat_dim,
         config_of("transformer"));
  }
  if (vae.config().in_channels != 3 || vae.config().out_channels != 3) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected an autoencoder of RGB pictures in {}, found {} channels in and {} out", config_of("vae"),
         vae.config().in_channels, vae.config().out_channels);
  }
  if (vae.config().latent_channels != transformer.config().in_channels) {
    fail(ErrorCode::unsupported, "pipeline",
         "expected the autoencoder's latents to be the transformer's, found latent_channels {} in {} and "
         "in_channels {} in {}",
         vae.config().latent_channels, config_of("vae"), transformer.config().in_channels, config_of("transformer"));
  }
}

void warn_unused(std::vector<std::string>& warnings, const char* part, const std::vector<std::string>& names) {
  if (names.empty()) return;
  constexpr size_t shown = 5;
  const std::vector<std::string> first(names.begin(),
                                       names.begin() + static_cast<std::ptrdiff_t>(std::min(shown, names.size())));
  warnings.push_back(fmt::format("{}: {} tensors of the file have no place in the model: {}{}", part, names.size(),
                                 fmt::join(first, ", "), names.size() > shown ? ", ..." : ""));
}

}  // namespace

ZImagePipeline::ZImagePipeline(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

ZImagePipeline ZImagePipeline::load(const std::filesystem::path& path, const LoadOptions& options) {
  return translate_errors("pipeline", [&] {
    io::expect_class(io::read_config(path, "model_index.json"), "ZImagePipeline");
    // Small parts first, so that a wrong folder is told before anything large is mapped.
    const auto scheduler = FlowMatchScheduler::load(path / "scheduler");
    auto text_encoder = ZImageTextEncoder::load(path / "text_encoder", path / "tokenizer", options);
    auto transformer = ZImageTransformer::load(path / "transformer", options);
    auto vae = AutoencoderKL::load(path / "vae", options);
    check_parts_fit(path, text_encoder, transformer, vae);
    std::vector<std::string> warnings;
    warn_unused(warnings, "text_encoder", text_encoder.unused_weights());
    warn_unused(warnings, "transformer", transformer.unused_weights());
    warn_unused(warnings, "vae", vae.unused_weights());
    return ZImagePipeline(std::make_shared<const Impl>(
        Impl{{path, std::move(text_encoder), std::move(transformer), std::move(vae), scheduler, std::move(warnings)}}));
  });
}

GenerateResult ZImagePipeline::generate(std::string_view prompt, const GenerateOptions& options) const {
  const std::string text(prompt);
  return generate(std::span(&text, 1), options);
}

GenerateResult ZImagePipeline::generate(std::span<const std::string> prompts, const GenerateOptions& options) const {
  return translate_errors("generate", [&] {
    const c10::NoGradGuard guard;
    return run_generation(*impl_, prompts, options);
  });
}

GenerateResult ZImagePipeline::generate(std::initializer_list<std::string> prompts,
                                        const GenerateOptions& options) const {
  return generate(std::span(prompts.begin(), prompts.size()), options);
}

EncodingOutput ZImagePipeline::encode_prompt(std::span<const std::string> prompts, const ChatOptions& chat,
                                             const EncodeOptions& options) const {
  std::vector<std::string> formatted;
  for (const std::string& prompt : prompts) formatted.push_back(format_prompt(prompt, chat));
  return impl_->text_encoder.encode(formatted, options);
}

const ZImageTextEncoder& ZImagePipeline::text_encoder() const { return impl_->text_encoder; }
const ZImageTransformer& ZImagePipeline::transformer() const { return impl_->transformer; }
const AutoencoderKL& ZImagePipeline::vae() const { return impl_->vae; }
const FlowMatchScheduler& ZImagePipeline::scheduler() const { return impl_->scheduler; }
const std::filesystem::path& ZImagePipeline::path() const { return impl_->path; }
int64_t ZImagePipeline::size_multiple() const { return impl_->size_multiple(); }

}  // namespace llmdit
