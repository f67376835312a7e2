#include "layer_weights.hpp"

#include "llmdit/error.hpp"
#include "models.hpp"

namespace llmdit::python {

std::string weights_text(const LayerWeights& weights) {
  if (weights.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "[layer_weights] expected weights whose sum is above 0, got none; None is no mix");
  }
  return to_string(weights);
}

EncodeOptions encode_options(std::optional<int64_t> hidden_layer, const WeightsArgument& layer_weights,
                             const SpansArgument& layer_spans) {
  EncodeOptions options;
  if (hidden_layer) options.hidden_layer = *hidden_layer;
  if (layer_weights) {
    const auto* weights = std::get_if<LayerWeights>(&*layer_weights);
    options.layer_weights =
        parse_layer_weights(weights ? weights_text(*weights) : std::get<std::string>(*layer_weights));
  }
  if (layer_spans) {
    for (const std::string& span : as_list(*layer_spans)) options.layer_spans.push_back(parse_layer_span(span));
  }
  return options;
}

}  // namespace llmdit::python
