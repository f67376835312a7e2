#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

namespace nn {
class Turns;
class WeightPatch;
}  // namespace nn
namespace models {
class StepCache;
}

/// Rows of image and caption are padded to a multiple of this; the pads are attended to.
inline constexpr int64_t seq_multi_of = 32;

/// `config.json` of a ZImageTransformer2DModel; names and defaults are those of diffusers.
struct ZImageTransformerConfig {
  int64_t patch_size = 2;
  int64_t f_patch_size = 1;
  int64_t in_channels = 16;
  int64_t dim = 3840;
  int64_t n_layers = 30;
  int64_t n_refiner_layers = 2;
  int64_t n_heads = 30;
  int64_t cap_feat_dim = 2560;
  double norm_eps = 1e-5;
  bool qk_norm = true;
  double rope_theta = 256.0;
  double t_scale = 1000.0;
  std::array<int64_t, 3> axes_dims = {32, 48, 48};
  std::array<int64_t, 3> axes_lens = {1024, 512, 512};

  /// A model folder, its `config.json`, or a weight file. Throws unsupported for another class or a setting that is not
  /// handled.
  LLMDIT_EXPORT static ZImageTransformerConfig load(const std::filesystem::path& path);
};

/// The longest caption in tokens: a multiple of 32 after which the image's position still lies inside the rope table.
LLMDIT_EXPORT int64_t max_caption_len(const ZImageTransformerConfig& config);

/// Throws invalid_argument unless latents of h x w fit patches and rope tables.
LLMDIT_EXPORT void check_latent_size(const ZImageTransformerConfig& config, int64_t h, int64_t w);

/// What of a batch of prompts does not depend on the denoising step: captions after embedder and context refiner.
struct Conditioning {
  std::vector<at::Tensor> captions;  ///< per item [padded tokens, dim]
};

struct ConditionOptions {
  bool extrapolate = false;  ///< take captions past max_caption_len, at positions the model was not trained on
  std::stop_token stop{};    ///< asked before each block; a stop throws cancelled
};

/// The diffusion transformer. Immutable after loading; calls are const and thread-safe. Copies share the weights.
class LLMDIT_EXPORT ZImageTransformer {
 public:
  /// A folder with `config.json` and weights, or a weight file in diffusers' or the original layout: safetensors or
  /// GGUF, under any of the published prefixes. What a bare file does not tell is taken from `config_path`, a folder or
  /// `config.json`, or as the published model has it. Quantised weights are kept as they lie in the file.
  /// Throws not_found, and unsupported naming file, tensor and both shapes.
  static ZImageTransformer load(const std::filesystem::path& path, const LoadOptions& options = {},
                                const std::filesystem::path& config_path = {});

  /// Prompt embeddings, each [tokens, cap_feat_dim], ready for every step.
  /// Throws invalid_argument for a wrong width, no rows, or more than max_caption_len unless asked to extrapolate.
  Conditioning condition(std::span<const at::Tensor> prompt_embeds, const ConditionOptions& options = {}) const;

  /// The prediction for each item, of its latents' shape and sign as in diffusers' ZImageTransformer2DModel.
  /// latents: per item [in_channels, 1, h, w], sizes may differ; t: [batch] float32, 0 noise to 1 picture; one caption
  /// an item.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                  const Conditioning& conditioning, std::stop_token stop = {}) const;

  /// The same for latents [batch, in_channels, h, w] of one size.
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const Conditioning& conditioning,
                     std::stop_token stop = {}) const;

  const ZImageTransformerConfig& config() const;

  /// The weights under their diffusers names: matrices as they are kept, quantised ones as float32 numbers, the rest in
  /// the type of computation.
  std::map<std::string, at::Tensor> state_dict() const;

  /// Shapes of the weights by name.
  std::map<std::string, std::vector<int64_t>> weight_shapes() const;

  /// Tensors of the checkpoint that no part of the model asked for.
  const std::vector<std::string>& unused_weights() const;

  /// Frees the weights for good, in all copies; a call that is running keeps them to its end. Calls that need them
  /// throw invalid_argument from then on.
  void unload() const;
  /// Until unload().
  bool is_loaded() const;

 private:
  friend class LoraLoader;
  friend class ModelTurns;
  friend class StepRunner;
  /// The same, in memory only while it is in use; see nn::Turns. Null: always.
  static ZImageTransformer load(const std::filesystem::path& path, const LoadOptions& options,
                                const std::filesystem::path& config_path, std::shared_ptr<nn::Turns> turns);
  /// Keeps the weights in memory while it lives.
  std::shared_ptr<const void> hold(std::stop_token stop) const;

  /// forward() for a step of a run; null keeps nothing of it for the next ones.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> latents, const at::Tensor& t,
                                  const Conditioning& conditioning, models::StepCache* cache,
                                  std::stop_token stop) const;
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& t, const Conditioning& conditioning,
                     models::StepCache* cache, std::stop_token stop) const;

  using WeightPatches = std::map<std::string, std::shared_ptr<const nn::WeightPatch>>;

  /// The same model with changed weights; those without a patch are shared, or as in the file.
  ZImageTransformer patched(const WeightPatches& patches) const;

  struct Impl;
  explicit ZImageTransformer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace llmdit
