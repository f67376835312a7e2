#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bindings.hpp"
#include "llmdit/text_encoder.hpp"

namespace llmdit::python {

/// {-2: 0.7, -5: 0.3} or "-2:0.7,-5:0.3".
using WeightsArgument = std::optional<std::variant<LayerWeights, std::string>>;
/// "3:12=-5:1", one or several.
using SpansArgument = std::optional<std::variant<std::string, std::vector<std::string>>>;

/// The weights as text, which the option tables hold. Raises for an empty dict, which is no mix.
std::string weights_text(const LayerWeights& weights);

EncodeOptions encode_options(std::optional<int64_t> hidden_layer, const WeightsArgument& layer_weights,
                             const SpansArgument& layer_spans);

}  // namespace llmdit::python
