#pragma once

#include <filesystem>

#include "llmdit/load_options.hpp"

namespace llmdit {

/// Where each part of a pipeline is loaded from.
struct ModelSources {
  std::filesystem::path
      model;  ///< what the user named, a hub id resolved; the transformer where nothing else was named
  std::filesystem::path transformer, text_encoder, vae;  ///< folder or weight file
  std::filesystem::path tokenizer;                       ///< folder or file
  std::filesystem::path scheduler;                       ///< empty when there is none
  /// The model folder's own part, for what a bare file in its place does not tell; may not exist.
  std::filesystem::path config_of(const char* part) const { return model / part; }
};

/// `path`: a diffusers folder, a folder of single files as ComfyUI has them (diffusion_models, text_encoders, vae), an
/// all-in-one or transformer file, a hub id in the local cache, or empty when the options name every part.
/// Throws not_found naming a part that was not found and the option that names it.
ModelSources find_sources(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace llmdit
