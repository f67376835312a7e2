#pragma once

#include <filesystem>

#include "llmdit/export.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

/// Where the parts of a model lie. Each is looked for when it is asked for, so that a machine needs only the files of
/// the parts it runs. The functions throw not_found, naming the part and the option that names it.
class LLMDIT_EXPORT ModelSources {
 public:
  /// `path`: a diffusers folder, a folder of single files as ComfyUI has them (diffusion_models, text_encoders, vae),
  /// an all-in-one or transformer file, a hub id in the local cache, or empty when the options name every part. Throws
  /// not_found when it is not there, unsupported for another model's folder.
  explicit ModelSources(const std::filesystem::path& path, const LoadOptions& options = {});

  /// What was named, a hub id resolved.
  const std::filesystem::path& model() const { return model_; }

  // Folders or weight files.
  std::filesystem::path transformer() const;
  std::filesystem::path text_encoder() const;
  std::filesystem::path vae() const;
  /// Folder, file, or the GGUF file of the text encoder.
  std::filesystem::path tokenizer() const;
  /// Empty when there is none, as with single files.
  std::filesystem::path scheduler() const;
  /// Folder of the Qwen3-VL model that reads reference pictures; most models have none of their own.
  std::filesystem::path vl_encoder() const;

  /// The model folder's own part, for what a bare file in its place does not tell; may not exist, empty without a
  /// model.
  std::filesystem::path config_of(const char* part) const;

 private:
  bool is_diffusers_folder() const;

  std::filesystem::path model_;
  LoadOptions options_;
};

}  // namespace llmdit
