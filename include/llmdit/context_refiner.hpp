#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

/// Sizes of a ContextRefiner; the defaults are those of the published Z-Image transformer.
struct ContextRefinerConfig {
  int64_t dim = 3840;
  int64_t n_layers = 2;
  int64_t n_heads = 30;
  std::optional<int64_t> n_kv_heads{};  ///< keys and values, each for n_heads / n_kv_heads heads; not given: n_heads
  double norm_eps = 1e-5;
  bool qk_norm = true;
  std::optional<int64_t> ffn_hidden{};  ///< not given: int(dim / 3 * 8)
  double rope_theta = 256.0;
  int64_t max_seq_len = 2048;  ///< most rows of a sequence, and the largest position
  /// Columns of a head that each axis of position rotates; not given: 1/4, 3/8 and 3/8 of it (32, 48, 48 of 128).
  std::optional<std::array<int64_t, 3>> axes_dims{};
  /// Rotates all columns of a head by the row's number from 0, as llm-dit-experiments does. The transformer rotates
  /// those of the first axis alone, by the row's number from 1.
  bool legacy_rope = false;
};

/// The context_refiner of a ZImageTransformer by itself: refines caption rows that have passed the caption embedder.
/// Made for training as well: every operation is differentiable, and the parameters are leaf tensors that require
/// gradients. Copies share the parameters. forward is thread-safe; load_state_dict and optimizer steps beside it are
/// not.
class LLMDIT_EXPORT ContextRefiner {
 public:
  /// Fresh weights, drawn on the CPU from `seed`: matrices uniform within 1 / sqrt(columns), norms one; float32 unless
  /// `options` name a type. Throws invalid_argument for sizes that do not fit each other.
  explicit ContextRefiner(const ContextRefinerConfig& config = {}, const LoadOptions& options = {}, uint64_t seed = 0);

  /// The refiner out of a transformer's folder or weight file of any published layout, or out of a file with the
  /// state_dict of a refiner; quantised weights become float32. Every parameter must be there, and no other
  /// "context_refiner." tensor. What a bare file does not tell is taken from `config_path`, the transformer's folder or
  /// `config.json`, or as the published model has it. Throws not_found, and unsupported naming the tensor.
  static ContextRefiner load(const std::filesystem::path& path, const LoadOptions& options = {},
                             const std::filesystem::path& config_path = {}, bool legacy_rope = false);

  /// x: [tokens, dim] or [batch, tokens, dim], of any float type. attention_mask: of x's shape without dim, bool or
  /// integers 0 and 1; rows with 0 take no part and come back as zeros. position_ids: integers [tokens], or
  /// [tokens, 3] for all three axes, the same for every sequence; undefined: a row's number from 1 (legacy_rope: 0).
  /// Gives rows of x's shape in the type of computation: float32 on a CPU, on a GPU that of the parameters except fp16.
  /// Throws invalid_argument.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& attention_mask = {},
                     const at::Tensor& position_ids = {}) const;

  /// Several sequences of their own lengths, each [tokens, dim]; position_ids: one for each, or none at all.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> x, std::span<const at::Tensor> position_ids = {}) const;

  /// With every value that was not given filled in.
  const ContextRefinerConfig& config() const;

  /// The parameters themselves under their names in ZImageTransformer2DModel,
  /// "context_refiner.0.attention.to_q.weight".
  std::vector<std::pair<std::string, at::Tensor>> named_parameters() const;
  std::vector<at::Tensor> parameters() const;
  int64_t get_num_params(bool trainable_only = false) const;

  /// The same names; tensors without gradient that share the parameters' memory.
  std::map<std::string, at::Tensor> state_dict() const;

  /// Overwrites the parameters, in their own type and on their device. Throws invalid_argument, having changed nothing,
  /// unless `state` holds exactly the names and shapes of state_dict().
  void load_state_dict(const std::map<std::string, at::Tensor>& state);

  /// Keeps of each block its input alone and computes the rest again in backward: less memory, equal results.
  void enable_gradient_checkpointing(bool enable = true);
  bool is_gradient_checkpointing() const;

 private:
  struct Impl;
  explicit ContextRefiner(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace llmdit
