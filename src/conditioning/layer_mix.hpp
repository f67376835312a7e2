#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "llmdit/layer_weights.hpp"

namespace llmdit {

/// Throws invalid_argument unless the weights are finite and their sum is above 0.
void check_layer_weights(const LayerWeights& weights);

/// The layers that a text's rows are made of, resolved against a model's number of blocks.
class LayerMix {
 public:
  /// `base` for all tokens but those of `spans`. Throws invalid_argument for layers that the model has not, one that is
  /// named twice, weights that do not sum up, or spans that are empty or overlap.
  LayerMix(const LayerWeights& base, std::span<const LayerSpan> spans, int64_t num_hidden_layers, int64_t tokens);

  /// The entries of hidden_states that are needed, 0 to num_hidden_layers, ascending.
  const std::vector<int64_t>& layers() const { return layers_; }

  /// `states`: one [tokens, hidden_size] for each of layers(). A single layer with nothing beside it comes back as it
  /// is; mixes are summed in float32.
  at::Tensor operator()(std::span<const at::Tensor> states) const;

 private:
  struct Part {
    int64_t begin, end;                              ///< tokens
    std::vector<std::pair<size_t, double>> weights;  ///< index into layers(), normalised weight
  };

  std::vector<int64_t> layers_;
  std::vector<Part> parts_;  ///< the first is the base, of all tokens; the others lie over it
};

}  // namespace llmdit
