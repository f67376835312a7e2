#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "llmdit/context_refiner.hpp"
#include "models/z_image_transformer.hpp"

namespace llmdit::models {

/// Gives the tensor of a parameter.
using ParameterSource = std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>;

/// What a block computes with.
struct Computation {
  c10::ScalarType type;
  AttentionBackend attention;
};

/// The transformer's block without modulation, on leaf tensors and without operations in place on what others hold: the
/// form for training.
class RefinerBlock {
 public:
  /// `config` with every value filled in; `prefix` goes before the names.
  RefinerBlock(const ContextRefinerConfig& config, const Computation& computation, const std::string& prefix,
               const ParameterSource& source);

  /// The new rows.x, in the type of computation.
  at::Tensor operator()(const PackedRows& rows) const;

  /// Names without prefix, in the order of the reference's modules.
  std::vector<std::pair<std::string, at::Tensor>> named_parameters() const;
  std::vector<at::Tensor> parameters() const;

  /// The same block on other tensors in the order of parameters().
  RefinerBlock with(at::TensorList parameters) const;

 private:
  struct Slot;
  static const std::vector<Slot>& slots();

  at::Tensor linear(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, double eps) const;
  at::Tensor attention(const at::Tensor& x, const PackedRows& rows) const;
  at::Tensor feed_forward(const at::Tensor& x) const;

  int64_t head_dim_;
  double norm_eps_;
  Computation computation_;
  at::Tensor to_q_, to_k_, to_v_, to_out_;
  at::Tensor norm_q_, norm_k_;  // undefined without qk_norm
  at::Tensor w1_, w2_, w3_;
  at::Tensor attention_norm1_, ffn_norm1_, attention_norm2_, ffn_norm2_;
};

/// Throws invalid_argument for sizes that do not fit each other; fills in what was not given.
ContextRefinerConfig resolved(ContextRefinerConfig config);

/// Rotary factors complex64 [tokens, head_dim / 2] of positions int64 [tokens] or [tokens, 3] on the CPU.
at::Tensor refiner_freqs(const ContextRefinerConfig& config, const at::Tensor& positions);

}  // namespace llmdit::models
