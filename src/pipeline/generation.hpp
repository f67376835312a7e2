#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/memory_plan.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "nn/turns.hpp"
#include "pipeline/provenance.hpp"
#include "pipeline/source_picture.hpp"
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
  std::vector<std::string> lora_contents;  ///< a digest for each of them
  std::vector<std::string> lora_warnings;
  LoadOptions load;
  std::shared_ptr<const Provenance> provenance;

  /// Throws unsupported without an encoder.
  const TextEncoder& prompt_encoder() const;
  /// The model's own encoder's; null without that.
  const Tokenizer* tokenizer() const { return text_encoder ? &text_encoder->tokenizer() : nullptr; }

  int64_t size_multiple() const { return vae.config().vae_scale_factor() * transformer.config().patch_size; }
};

/// One call of ZImagePipeline::generate.
GenerateResult run_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                              const GenerateOptions& options);

/// What pictures of these parts depend on besides options; `reads_vl_image`: Qwen3-VL, too.
MadeWith made_with(const PipelineParts& parts, bool reads_vl_image);

/// What is known of a generation before a model runs.
struct Foresight {
  std::vector<std::string> warnings;  ///< those of the run, but for what the models have to say; each once
  PictureSize size;
  std::vector<int64_t> token_counts;  ///< one a prompt; empty where another machine counts them
};

/// Makes the checks of run_generation and throws what they throw. Not `is_batch`: the prompts have a call each. Without
/// prompts, what any prompt would meet.
Foresight foresee_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                             const GenerateOptions& options, bool is_batch);

/// The same for a pipeline that is not loaded, by the headers of its files. Of an encoder elsewhere nothing is known.
Foresight foresee_generation(const ModelSources& sources, const LoadOptions& load, std::span<const std::string> prompts,
                             const GenerateOptions& options, const PlanOptions& plan);

}  // namespace llmdit
