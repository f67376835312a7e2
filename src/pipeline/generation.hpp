#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/z_image_pipeline.hpp"
#include "nn/turns.hpp"
#include "pipeline/vl_conditioning.hpp"

namespace llmdit {

/// What a loaded pipeline is made of.
struct PipelineParts {
  std::filesystem::path path;
  std::string name;                               ///< of the model, for people
  std::optional<ZImageTextEncoder> text_encoder;  ///< the model's own, where that is the one that encodes
  std::shared_ptr<const TextEncoder> encoder;     ///< what encodes prompts; null without any
  ZImageTransformer transformer;
  AutoencoderKL vae;
  FlowMatchScheduler scheduler;
  std::shared_ptr<const VLSource> vl;
  std::shared_ptr<nn::Turns> turns;  ///< of the models in memory; null where all stay
  std::vector<std::string> load_warnings;
  std::vector<Lora> loras;
  std::vector<std::string> lora_warnings;

  /// Throws unsupported without an encoder.
  const TextEncoder& prompt_encoder() const;
  /// The model's own encoder's; null without that.
  const Tokenizer* tokenizer() const { return text_encoder ? &text_encoder->tokenizer() : nullptr; }

  int64_t size_multiple() const { return vae.config().vae_scale_factor() * transformer.config().patch_size; }
};

/// One call of ZImagePipeline::generate.
GenerateResult run_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                              const GenerateOptions& options);

}  // namespace llmdit
