#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/export.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/image.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/scheduler.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// Seconds spent in each stage.
struct Timings {
  double encode = 0;
  double denoise = 0;
  double decode = 0;
  double total = 0;
  std::vector<double> steps;  ///< each denoising step
};

struct GenerateResult {
  std::vector<Image> images;          ///< prompt by prompt; empty for OutputType::latent
  at::Tensor pixels;                  ///< [batch, 3, height, width] float32 in 0..1; only for OutputType::tensor
  at::Tensor latents;                 ///< [batch, channels, h, w] float32, final
  std::vector<uint64_t> seeds;        ///< one a picture; empty with a generator or initial latents of the caller
  std::vector<float> sigmas;          ///< noise levels of the run, [steps + 1]
  std::vector<int64_t> token_counts;  ///< one a prompt
  std::vector<std::string> formatted_prompts;  ///< the exact chat texts; empty for prompt_embeds of the caller
  std::vector<std::string> warnings;
  std::string model;  ///< name of the model's folder
  Timings timings;
};

/// Z-Image from prompt to picture. Immutable after loading: one pipeline serves many threads. Copies share the parts.
class LLMDIT_EXPORT ZImagePipeline {
 public:
  /// A diffusers folder. Weights are mapped, not read. Throws not_found for a missing part, unsupported for one that is
  /// damaged or does not fit the others.
  static ZImagePipeline load(const std::filesystem::path& path, const LoadOptions& options = {});

  /// Throws invalid_argument for options that cannot be met, cancelled after a stop; the pipeline stays usable.
  GenerateResult generate(std::string_view prompt, const GenerateOptions& options = {}) const;

  /// Several prompts in one batch. With options.prompt_embeds, `prompts` is empty.
  GenerateResult generate(std::span<const std::string> prompts, const GenerateOptions& options = {}) const;

  GenerateResult generate(std::initializer_list<std::string> prompts, const GenerateOptions& options = {}) const;

  /// The text side alone: renders each prompt and encodes it.
  EncodingOutput encode_prompt(std::span<const std::string> prompts, const ChatOptions& chat = {},
                               const EncodeOptions& options = {}) const;

  const ZImageTextEncoder& text_encoder() const;
  const ZImageTransformer& transformer() const;
  const AutoencoderKL& vae() const;
  const FlowMatchScheduler& scheduler() const;

  /// The folder the pipeline was loaded from.
  const std::filesystem::path& path() const;

  /// Sides of a picture are multiples of this many pixels.
  int64_t size_multiple() const;

 private:
  struct Impl;
  explicit ZImagePipeline(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// The parameters of picture `index` of a result as PNG text: the "parameters" line other tools read, and "llmdit" as
/// JSON.
LLMDIT_EXPORT ImageText picture_parameters(std::string_view prompt, const GenerateOptions& options,
                                           const GenerateResult& result, size_t index);

}  // namespace llmdit
