#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "llmdit/remote_text_encoder.hpp"

namespace llmdit {
namespace {

double mean_cosine(const at::Tensor& a, const at::Tensor& b) {
  return at::cosine_similarity(a, b, /*dim=*/1, /*eps=*/1e-12).mean().item<double>();
}

/// The layer of `encoder` that `states` are nearest to.
int64_t nearest_layer(const ZImageTextEncoder& encoder, const std::string& text, const at::Tensor& states,
                      const std::stop_token& stop) {
  const std::vector<int64_t> ids = encoder.tokenizer().encode(text);
  const std::vector<at::Tensor> all = encoder.hidden_states(ids, std::span<const int64_t>(), stop);
  std::vector<double> cosines;
  for (const at::Tensor& layer : all) cosines.push_back(mean_cosine(layer.to(at::kCPU, at::kDouble), states));
  return std::ranges::max_element(cosines) - cosines.begin();
}

}  // namespace

EncoderDifference compare_encoders(const ZImageTextEncoder& expected, const TextEncoder& other, const std::string& text,
                                   const EncodeOptions& options) {
  return translate_errors("compare_encoders", [&] {
    const std::span<const std::string> texts(&text, 1);
    const at::Tensor a = expected.encode(texts, options).embeddings.front().to(at::kCPU, at::kDouble);
    const at::Tensor b = other.encode(texts, options).embeddings.front().to(at::kCPU, at::kDouble);
    EncoderDifference difference{.expected_shape = a.sizes().vec(), .shape = b.sizes().vec()};
    if (!difference.has_same_shape()) return difference;
    const at::Tensor cosines = at::cosine_similarity(a, b, /*dim=*/1, /*eps=*/1e-12), error = b - a;
    difference.cosine = cosines.mean().item<double>();
    difference.lowest_cosine = cosines.min().item<double>();
    difference.max_error = error.abs().max().item<double>();
    difference.relative_error = error.norm().item<double>() / a.norm().item<double>();
    if (difference.agrees() || !options.layer_weights.empty() || !options.layer_spans.empty()) return difference;
    const int64_t count = expected.config().num_hidden_layers;
    const int64_t asked = options.hidden_layer < 0 ? count + 1 + options.hidden_layer : options.hidden_layer;
    const int64_t nearest = nearest_layer(expected, text, b, options.stop);
    if (nearest != asked) difference.nearest_layer = options.hidden_layer < 0 ? nearest - count - 1 : nearest;
    return difference;
  });
}

}  // namespace llmdit
