#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "llmdit/generate_options.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/vl_encoder.hpp"

namespace llmdit {

/// The pipeline's Qwen3-VL model, loaded when a reference picture first asks for it.
class VLSource {
 public:
  VLSource(ModelSources sources, const LoadOptions& options) : sources_(std::move(sources)), options_(options) {}

  /// Throws not_found when the model has none and none was named.
  VLEmbeddingExtractor get() const;

  /// Throws what get and a reading would, from the files' headers alone; `width` is that of the prompt's embeddings.
  void check(const VLOptions& options, int64_t width) const;

 private:
  ModelSources sources_;
  LoadOptions options_;
  mutable std::mutex mutex_;
  mutable std::optional<VLEmbeddingExtractor> extractor_;
};

/// Prompt embeddings with a reference picture in them.
struct VLConditioned {
  std::vector<at::Tensor> embeddings;  ///< one a prompt, each of its own length
  VLExtraction extraction;             ///< of the last prompt; they differ by their scale only
  std::vector<std::string> warnings;
};

/// Reads options.vl_image and blends its rows with each prompt's, whose encoder has so many layers.
VLConditioned condition_on_picture(const VLEmbeddingExtractor& extractor, const std::vector<at::Tensor>& prompt_embeds,
                                   const GenerateOptions& options, int64_t num_hidden_layers);

}  // namespace llmdit
