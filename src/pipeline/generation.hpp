#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "llmdit/z_image_pipeline.hpp"
#include "pipeline/vl_conditioning.hpp"

namespace llmdit {

/// What a loaded pipeline is made of.
struct PipelineParts {
  std::filesystem::path path;
  std::string name;  ///< of the model, for people
  ZImageTextEncoder text_encoder;
  ZImageTransformer transformer;
  AutoencoderKL vae;
  FlowMatchScheduler scheduler;
  std::shared_ptr<const VLSource> vl;
  std::vector<std::string> load_warnings;
  std::vector<Lora> loras;
  std::vector<std::string> lora_warnings;

  int64_t size_multiple() const { return vae.config().vae_scale_factor() * transformer.config().patch_size; }
};

/// One call of ZImagePipeline::generate.
GenerateResult run_generation(const PipelineParts& parts, std::span<const std::string> prompts,
                              const GenerateOptions& options);

}  // namespace llmdit
