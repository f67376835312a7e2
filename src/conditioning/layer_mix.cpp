#include "conditioning/layer_mix.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace llmdit {
namespace {

/// Entry of hidden_states counted from 0.
int64_t absolute_layer(int64_t layer, int64_t num_hidden_layers) {
  const int64_t last = num_hidden_layers, absolute = layer < 0 ? last + 1 + layer : layer;
  check(absolute >= 0 && absolute <= last, "hidden_layer", "expected {} to {}, got {}", -(last + 1), last, layer);
  return absolute;
}

LayerWeights normalized(const LayerWeights& weights, int64_t num_hidden_layers) {
  check_layer_weights(weights);
  double sum = 0;
  for (const auto& [layer, weight] : weights) sum += weight;
  LayerWeights result;
  for (const auto& [layer, weight] : weights) {
    const int64_t absolute = absolute_layer(layer, num_hidden_layers);
    check(result.emplace(absolute, weight / sum).second, "layer_weights",
          "expected each layer once, got layer {} under two numbers", absolute);
  }
  return result;
}

/// The span with its ends counted from the text's begin.
std::pair<int64_t, int64_t> token_range(const LayerSpan& span, int64_t tokens) {
  const auto counted = [&](int64_t bound) { return bound < 0 ? tokens + bound : bound; };
  const int64_t begin = counted(span.begin), end = span.end ? counted(*span.end) : tokens;
  check(begin >= 0 && begin < end && end <= tokens, "layer_spans",
        "expected a span of tokens inside the text's {}, got {}", tokens, to_string(span));
  return {begin, end};
}

}  // namespace

LayerMix::LayerMix(const LayerWeights& base, std::span<const LayerSpan> spans, int64_t num_hidden_layers,
                   int64_t tokens) {
  std::vector<LayerWeights> mixes = {normalized(base, num_hidden_layers)};
  parts_.push_back({.begin = 0, .end = tokens, .weights = {}});
  for (const LayerSpan& span : spans) {
    const auto [begin, end] = token_range(span, tokens);
    for (size_t i = 1; i < parts_.size(); ++i) {
      check(end <= parts_[i].begin || begin >= parts_[i].end, "layer_spans",
            "expected spans that do not overlap, got {} and {}", to_string(spans[i - 1]), to_string(span));
    }
    parts_.push_back({.begin = begin, .end = end, .weights = {}});
    mixes.push_back(normalized(span.weights, num_hidden_layers));
  }
  for (const LayerWeights& mix : mixes) {
    for (const auto& [layer, weight] : mix) layers_.push_back(layer);
  }
  std::ranges::sort(layers_);
  layers_.erase(std::unique(layers_.begin(), layers_.end()), layers_.end());
  for (size_t i = 0; i < mixes.size(); ++i) {
    for (const auto& [layer, weight] : mixes[i]) {
      const auto place = std::ranges::lower_bound(layers_, layer) - layers_.begin();
      parts_[i].weights.emplace_back(static_cast<size_t>(place), weight);
    }
  }
}

at::Tensor LayerMix::operator()(std::span<const at::Tensor> states) const {
  const auto mixed = [&](const Part& part) {
    const auto rows = [&](size_t layer) { return states[layer].narrow(0, part.begin, part.end - part.begin); };
    if (part.weights.size() == 1) return rows(part.weights.front().first);
    at::Tensor sum;
    for (const auto& [layer, weight] : part.weights) {
      const at::Tensor term = rows(layer).to(at::kFloat) * weight;
      sum = sum.defined() ? sum.add_(term) : term;
    }
    return sum.to(states.front().scalar_type());
  };
  if (parts_.size() == 1) return mixed(parts_.front());
  at::Tensor result = mixed(parts_.front()).clone();
  for (size_t i = 1; i < parts_.size(); ++i)
    result.narrow(0, parts_[i].begin, parts_[i].end - parts_[i].begin).copy_(mixed(parts_[i]));
  return result;
}

}  // namespace llmdit
