#include "llmdit/layer_weights.hpp"

#include <charconv>
#include <cmath>
#include <system_error>

#include "base/blanks.hpp"
#include "base/check.hpp"
#include "conditioning/layer_mix.hpp"

namespace llmdit {
namespace {

template <class T>
std::optional<T> parse(std::string_view text) {
  text = trimmed(text);
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "" is "left out".
std::optional<int64_t> parse_bound(std::string_view bound, std::string_view span) {
  if (is_blank(bound)) return std::nullopt;
  const auto number = parse<int64_t>(bound);
  check(number.has_value(), "layer_spans", "expected BEGIN:END=LAYER:WEIGHT,... in whole numbers, got '{}'", span);
  return number;
}

}  // namespace

void check_layer_weights(const LayerWeights& weights) {
  double sum = 0;
  for (const auto& [layer, weight] : weights) {
    check(std::isfinite(weight), "layer_weights", "expected finite weights, got {} for layer {}", weight, layer);
    sum += weight;
  }
  check(!weights.empty() && sum > 0 && std::isfinite(sum), "layer_weights",
        "expected weights whose sum is above 0, got {}", weights.empty() ? "none" : fmt::format("a sum of {}", sum));
}

LayerWeights parse_layer_weights(std::string_view text) {
  LayerWeights weights;
  if (is_blank(text)) return weights;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const size_t colon = std::min(part.find(':'), part.size());
    const auto layer = parse<int64_t>(part.substr(0, colon));
    const auto weight = parse<double>(part.substr(std::min(colon + 1, part.size())));
    check(layer && weight && comma + 1 != rest.size(), "layer_weights", "expected LAYER:WEIGHT,..., got '{}'", text);
    check(weights.emplace(*layer, *weight).second, "layer_weights", "expected each layer once, got {} twice in '{}'",
          *layer, text);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  check_layer_weights(weights);
  return weights;
}

LayerSpan parse_layer_span(std::string_view text) {
  const size_t equals = text.find('='), colon = text.find(':');
  check(equals != text.npos && colon < equals, "layer_spans", "expected BEGIN:END=LAYER:WEIGHT,..., got '{}'", text);
  LayerSpan span{.begin = parse_bound(text.substr(0, colon), text).value_or(0),
                 .end = parse_bound(text.substr(colon + 1, equals - colon - 1), text),
                 .weights = parse_layer_weights(text.substr(equals + 1))};
  check(!span.weights.empty(), "layer_spans", "expected LAYER:WEIGHT,... after the = in '{}'", text);
  return span;
}

std::string to_string(const LayerWeights& weights) {
  std::string text;
  for (const auto& [layer, weight] : weights) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", layer, weight);
  return text;
}

std::string to_string(const LayerSpan& span) {
  return fmt::format("{}:{}={}", span.begin, span.end ? std::to_string(*span.end) : "", to_string(span.weights));
}

}  // namespace llmdit
