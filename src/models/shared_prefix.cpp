#include "models/shared_prefix.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"

namespace llmdit::models {
namespace {

// Below this the second pass costs what it saves. The tokens of a chat's frame are fewer, so that prompts without a
// system prompt are encoded as if each were alone.
constexpr size_t least_shared = 32;
constexpr int64_t most_rows = 512;  // of a pass; more do not make its products faster

/// How many tokens all texts begin with, one less than the shortest has at most: the last token is every text's own.
size_t shared_tokens(std::span<const TokenIds> texts) {
  const TokenIds& first = texts.front();
  size_t shared = first.size();
  for (const TokenIds& text : texts) {
    const auto end = std::ranges::mismatch(first, text).in1;
    shared =
        std::min({shared, static_cast<size_t>(end - first.begin()), text.size() - std::min<size_t>(1, text.size())});
  }
  return shared;
}

class PrefixedPasses {
 public:
  PrefixedPasses(const Qwen3Model& model, std::span<const TokenIds> texts, std::span<const int64_t> layers,
                 size_t shared, const std::stop_token& stop)
      : model_(model), texts_(texts), layers_(layers), stop_(stop), shared_(static_cast<int64_t>(shared)) {
    const TokenIds& first = texts.front();
    const at::Tensor embeddings = model_.embed(std::span(first).first(shared));
    prefix_ = model_.hidden_states({.embeddings = embeddings, .rope = model_.rope(0, shared_), .cache = &cache_},
                                   layers_, stop_);
  }

  std::vector<std::vector<at::Tensor>> run() {
    std::vector<std::vector<at::Tensor>> result;
    for (size_t begin = 0; begin < texts_.size();) {
      const size_t end = end_of_pass(begin);
      append_pass(begin, end, result);
      begin = end;
    }
    return result;
  }

 private:
  int64_t own_tokens(size_t text) const { return static_cast<int64_t>(texts_[text].size()) - shared_; }

  size_t end_of_pass(size_t begin) const {
    const int64_t most = std::min(most_rows, model_.config().max_position_embeddings);
    int64_t rows = own_tokens(begin);
    size_t end = begin + 1;
    while (end < texts_.size() && rows + own_tokens(end) <= most) rows += own_tokens(end++);
    return end;
  }

  void append_pass(size_t begin, size_t end, std::vector<std::vector<at::Tensor>>& result) {
    TokenIds ids;
    std::vector<int64_t> lengths;
    std::vector<at::Tensor> cos, sin;
    for (size_t i = begin; i < end; ++i) {
      ids.insert(ids.end(), texts_[i].begin() + shared_, texts_[i].end());
      lengths.push_back(own_tokens(i));
      const nn::RopeHalves rope = model_.rope(shared_, lengths.back());
      cos.push_back(rope.cos);
      sin.push_back(rope.sin);
    }
    const auto states = model_.hidden_states(
        {.embeddings = model_.embed(ids), .rope = {at::cat(cos), at::cat(sin)}, .lengths = lengths, .cache = &cache_},
        layers_, stop_);
    const size_t first = result.size();
    result.resize(first + lengths.size());
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      const auto own = states[layer].split_with_sizes(lengths);
      for (size_t i = 0; i < own.size(); ++i) result[first + i].push_back(at::cat({prefix_[layer], own[i]}));
    }
  }

  const Qwen3Model& model_;
  std::span<const TokenIds> texts_;
  std::span<const int64_t> layers_;
  const std::stop_token& stop_;
  int64_t shared_;
  nn::KeyValueCache cache_;
  std::vector<at::Tensor> prefix_;  // the shared tokens' entries, one a layer
};

}  // namespace

std::vector<std::vector<at::Tensor>> hidden_states_of_each(const Qwen3Model& model, std::span<const TokenIds> texts,
                                                           std::span<const int64_t> layers,
                                                           const std::stop_token& stop) {
  for (const TokenIds& text : texts) model.check_length(static_cast<int64_t>(text.size()));
  const size_t shared = texts.size() < 2 ? 0 : shared_tokens(texts);
  if (shared >= least_shared) return PrefixedPasses(model, texts, layers, shared, stop).run();
  std::vector<std::vector<at::Tensor>> result;
  for (const TokenIds& text : texts) {
    const at::Tensor embeddings = model.embed(text);
    result.push_back(
        model.hidden_states({.embeddings = embeddings, .rope = model.rope(0, embeddings.size(0))}, layers, stop));
  }
  return result;
}

}  // namespace llmdit::models
