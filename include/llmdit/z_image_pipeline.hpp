#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/export.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/image.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/lora.hpp"
#include "llmdit/prompt_template.hpp"
#include "llmdit/scheduler.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

struct PipelineParts;

/// Seconds spent in each stage.
struct Timings {
  double encode = 0;
  double denoise = 0;
  double decode = 0;
  double total = 0;
  std::vector<double> steps;  ///< each denoising step
};

struct GenerateResult {
  std::vector<Image> images;               ///< prompt by prompt; empty for OutputType::latent
  at::Tensor pixels;                       ///< [batch, 3, height, width] float32 in 0..1; only for OutputType::tensor
  at::Tensor latents;                      ///< [batch, channels, h, w] float32, final
  std::vector<uint64_t> seeds;             ///< one a picture; empty with a generator or initial latents of the caller
  std::vector<float> sigmas;               ///< noise levels of the run, [steps + 1]
  std::vector<int64_t> token_counts;       ///< one a prompt
  std::vector<int64_t> caption_lengths;    ///< rows the transformer was given, one a prompt
  std::vector<double> compression_ratios;  ///< rows before over rows after compression; 1 for a prompt that fits
  std::vector<std::string> formatted_prompts;  ///< the exact chat texts; empty for prompt_embeds of the caller
  std::optional<VLExtraction> vl;              ///< what was read of the reference picture and blended in
  std::vector<std::string> warnings;
  std::string model;                        ///< name of the model's folder or file
  std::vector<Lora> loras;                  ///< that were loaded
  std::optional<Template> prompt_template;  ///< that the prompts were read in
  std::vector<int64_t> reused_steps;        ///< denoising steps, from 0, that step_cache kept from being run whole
  bool vae_tiled = false;                   ///< whether the autoencoder worked tile by tile
  std::optional<double> shift;              ///< of the noise levels; nothing where it depends on the picture's size
  LoadOptions load;                         ///< those of the pipeline
  /// What the pictures depend on besides all these options, by name, such as "transformer.files": a digest of samples
  /// of each tensor. Where all of it is equal, so are pictures, bit for bit.
  std::map<std::string, std::string> made_with;
  Timings timings;
};

/// Z-Image from prompt to picture. One pipeline serves many threads; calls that run while LoRAs are loaded or unloaded
/// finish with the weights they began with. Copies share the parts and the LoRAs.
class LLMDIT_EXPORT ZImagePipeline {
 public:
  /// `path` is a diffusers folder, a folder of single files as ComfyUI has them, an all-in-one or transformer file, or
  /// a hub id in the local cache; options put other files in the place of single parts, or name all of them beside an
  /// empty path. Weights are mapped, not read. Throws not_found for a missing part, unsupported for one that is damaged
  /// or does not fit the others.
  static ZImagePipeline load(const std::filesystem::path& path, const LoadOptions& options = {});

  /// The same with another encoder in the place of the model's own, which need not be there; null: without any, for
  /// prompt_embeds alone.
  static ZImagePipeline load(const std::filesystem::path& path, const LoadOptions& options,
                             std::shared_ptr<const TextEncoder> encoder);

  /// Throws invalid_argument for options that cannot be met, cancelled after a stop; the pipeline stays usable.
  GenerateResult generate(std::string_view prompt, const GenerateOptions& options = {}) const;

  /// Several prompts in one batch. With options.prompt_embeds, `prompts` is empty.
  GenerateResult generate(std::span<const std::string> prompts, const GenerateOptions& options = {}) const;

  GenerateResult generate(std::initializer_list<std::string> prompts, const GenerateOptions& options = {}) const;

  /// The text side alone: renders each prompt and encodes it, however long it is: nothing is compressed.
  EncodingOutput encode_prompt(std::span<const std::string> prompts, const ChatOptions& chat = {},
                               const EncodeOptions& options = {}) const;

  /// Fuses adapters into the weights, on top of those that are there; their order does not matter. The changes of plain
  /// weights are added in float32 and rounded once. Quantised weights stay as they lie in the file with the adapter
  /// beside them, or become bf16 where the change is no product of small matrices.
  /// Throws unsupported when a file matches nothing of the model, or any of its keys nothing and options.strict; then
  /// nothing has changed.
  LoraReport load_loras(std::span<const Lora> loras, const LoraOptions& options = {});
  LoraReport load_lora(const std::filesystem::path& path, double scale = 1.0, const LoraOptions& options = {});

  /// Takes all adapters off: the weights are again those of the files, bit for bit.
  void unload_loras();

  std::vector<Lora> loras() const;

  /// What encodes prompts: the model's own encoder or the one that was passed; null without any.
  std::shared_ptr<const TextEncoder> encoder() const;

  // Each shares its weights with the pipeline, as they are now.
  /// The model's own. Throws unsupported where it was not loaded.
  ZImageTextEncoder text_encoder() const;
  ZImageTransformer transformer() const;
  AutoencoderKL vae() const;
  FlowMatchScheduler scheduler() const;
  /// Loads it when it has not been used yet; throws not_found when there is none.
  VLEmbeddingExtractor vl_encoder() const;

  /// The folder or file the pipeline was loaded from.
  std::filesystem::path path() const;

  /// Sides of a picture are multiples of this many pixels.
  int64_t size_multiple() const;

 private:
  struct Impl;
  ZImagePipeline(PipelineParts parts, const LoadOptions& options);
  std::shared_ptr<Impl> impl_;
};

/// What a picture's own "llmdit" text says of how it was made.
struct PictureSettings {
  std::string prompt;
  std::string model;  ///< name of the model's folder or file
  std::vector<Lora> loras;
  GenerateOptions options;
  std::vector<std::string> unrecorded;  ///< inputs that a file cannot hold, e.g. "image": a rerun must be given them
  /// What bears on pictures of the options that loaded the pipeline, but for `loras`; nothing where a picture of an
  /// earlier version does not tell.
  std::optional<LoadOptions> load;
  std::map<std::string, std::string> made_with;  ///< as GenerateResult::made_with
};

/// The settings in a PNG, JPEG or WebP file. Throws not_found when it cannot be read, unsupported when it holds none of
/// ours, or settings this version does not know.
LLMDIT_EXPORT PictureSettings read_picture_settings(const std::filesystem::path& picture);

/// The texts to store with picture `index` of a result: the "parameters" line other tools read, and "llmdit" as JSON,
/// from which the picture alone can be made again. What JSON cannot hold, such as latents, is listed under
/// "unrecorded".
LLMDIT_EXPORT ImageText picture_parameters(std::string_view prompt, const GenerateOptions& options,
                                           const GenerateResult& result, size_t index);

}  // namespace llmdit
