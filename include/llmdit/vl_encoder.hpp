#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/image.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/normalize.hpp"
#include "llmdit/options.hpp"
#include "llmdit/qwen3_vl.hpp"
#include "llmdit/reference_statistics.hpp"
#include "llmdit/text_generation.hpp"
#include "llmdit/tokenizer.hpp"
#include "llmdit/vl_image.hpp"

namespace llmdit {

/// Which rows of the hidden states are taken. Image tokens stand between two markers.
enum class VLTokenSelection {
  all,
  image_only,             ///< with the markers
  image_only_no_markers,  ///< without them
  text_only,              ///< everything else; it has seen the picture, yet shows little of it
};

/// How rows are brought to the scale of the text encoder's.
enum class VLNormalization {
  global,   ///< one factor, to `target_std`
  per_dim,  ///< normalize_per_dimension, to the reference statistics
  hybrid,   ///< normalize_hybrid, to the reference statistics
};

/// How hidden states are read and made like those of a text encoder. Rows are masked first, then selected, then scaled.
struct VLExtractOptions {
  /// Entry of hidden_states, see EncodeOptions. Image tokens of the last layers carry a few huge dimensions that the
  /// transformer turns into grid patterns; six from the end they do not yet.
  int64_t hidden_layer = -6;
  VLTokenSelection token_selection = VLTokenSelection::all;
  std::string system_prompt{};  ///< no system turn when empty
  /// An empty think block at the end. Not given: yes, unless the model's own template opens one (a Thinking model).
  std::optional<bool> force_think_block{};
  bool scale_to_text = true;
  std::optional<double> target_std{};  ///< not given: the reference statistics', else text_embedding_std
  VLNormalization normalization_mode = VLNormalization::global;
  OutlierMode outlier_masking = OutlierMode::none;  ///< of the picture's rows between the markers
  double outlier_threshold = llmdit::outlier_threshold;

  // Below: what stands in no table.
  std::optional<ReferenceStatistics> statistics{};  ///< of the text encoder; masking, per_dim and hybrid need them
  std::stop_token stop{};                           ///< asked before each block; a stop throws cancelled
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<VLExtractOptions>();

LLMDIT_EXPORT std::string_view token_selection_name(VLTokenSelection selection) noexcept;
LLMDIT_EXPORT std::string_view normalization_name(VLNormalization mode) noexcept;

/// Hidden states of a picture and a text, and how they came about.
struct VLExtraction {
  at::Tensor embeddings;  ///< [num_tokens, hidden_size] float32 on the CPU
  int64_t num_tokens = 0;
  int64_t hidden_layer = 0;
  VLTokenSelection token_selection = VLTokenSelection::all;
  double original_std = 0;  ///< of the rows after masking and selection
  double scaled_std = 0;    ///< of `embeddings`
  double scale_factor = 1;  ///< the second over the first; 1 when nothing is scaled
  VLNormalization normalization_mode = VLNormalization::global;
  OutlierMode outlier_masking = OutlierMode::none;
  double outlier_threshold = 0;
  std::optional<std::vector<int64_t>> masked_dimensions{};  ///< not given while masking is off
  std::vector<double> masked_dim_ratios{};                  ///< deviation over the reference's, of these
  std::string text_description;
  std::string system_prompt;
  std::string full_prompt_with_tokens;   ///< the exact text that was tokenised
  std::vector<int64_t> input_token_ids;  ///< all of them, selected or not
  std::string model_variant;             ///< "instruct" or "thinking"
  std::string chat_template_format;      ///< "qwen3-vl", or "qwen3-vl-thinking" where the template opens a think block
  bool from_cache = false;               ///< the hidden states had been computed for an earlier call
  std::vector<std::string> warnings;
};

/// Reads pictures with Qwen3-VL. Calls are const and thread-safe; copies share the weights and the cache.
class LLMDIT_EXPORT VLEmbeddingExtractor {
 public:
  struct Settings {
    bool auto_unload = false;  ///< free the weights after each call; the next one maps them again
    int64_t cache_size = 8;    ///< hidden states that are kept, by picture, text and layer; 0 keeps none
  };

  /// `path` is a folder of Qwen3-VL as published: config.json, weights, tokenizer and preprocessor_config.json, or a
  /// hub id in the local cache. Weights are mapped, not read; `options.quantization` is for the language part. Throws
  /// unsupported when the vision part is missing, not_found for a missing file.
  static VLEmbeddingExtractor load(const std::filesystem::path& path, const LoadOptions& options,
                                   const Settings& settings);
  static VLEmbeddingExtractor load(const std::filesystem::path& path, const LoadOptions& options = {}) {
    return load(path, options, Settings{});
  }

  /// That of a model of any form, `options.vl_model_path` or its own folder `vl_encoder`, on `options.vl_device`.
  /// Options of the other parts play no role.
  static VLEmbeddingExtractor load(const ModelSources& sources, const LoadOptions& options, const Settings& settings);
  static VLEmbeddingExtractor load(const ModelSources& sources, const LoadOptions& options = {}) {
    return load(sources, options, Settings{});
  }

  /// Throws invalid_argument when the markers that `token_selection` needs are missing, or text holds image tokens.
  VLExtraction extract(const Image& image, std::string_view text = {}, const VLExtractOptions& options = {}) const;

  /// Writes about a picture, or from text alone where `image` is null, in the model's chat form. A Thinking model
  /// begins inside its think block.
  GeneratedText generate(const Image* image, std::string_view text, const TextGenerationOptions& options = {},
                         std::string_view system_prompt = {}) const;

  // The steps of reading.

  PixelValues preprocess(const Image& image) const;
  VLImageFeatures image_features(const PixelValues& pixels, const std::stop_token& stop = {}) const;
  /// Positions int64 [3, tokens] (time, height, width) of tokens with the picture of `grid_thw` among them.
  at::Tensor position_ids(std::span<const int64_t> input_ids, const PixelValues* pixels) const;
  /// Entries of hidden_states, each [tokens, hidden_size]; `pixels` null: text alone.
  std::vector<at::Tensor> hidden_states(std::span<const int64_t> input_ids, const PixelValues* pixels,
                                        std::span<const int64_t> layers, const std::stop_token& stop = {}) const;
  /// The text that is tokenised for a picture of `image_tokens`; 0: for text alone.
  std::string format(int64_t image_tokens, std::string_view text, const VLExtractOptions& options = {}) const;

  const Qwen3VLConfig& config() const;
  const VLImageOptions& image_options() const;
  const Tokenizer& tokenizer() const;
  int64_t hidden_size() const;
  /// The ids that end a text.
  const std::vector<int64_t>& stop_ids() const;
  /// "thinking" when the model's chat template opens a think block in the answer, else "instruct".
  const std::string& model_variant() const;
  /// Tensors of the files that no part of the model asked for.
  const std::vector<std::string>& unused_weights() const;
  const std::filesystem::path& path() const;

  /// Whether the weights are in memory now.
  bool is_loaded() const;
  /// While what it returns is held, auto_unload keeps the weights that a call has loaded: for several calls in a row.
  std::shared_ptr<const void> defer_unload() const;
  /// Frees the weights for good, in all copies; calls that need them throw invalid_argument from
  /// then on.
  void unload() const;

 private:
  struct Impl;
  explicit VLEmbeddingExtractor(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace llmdit
