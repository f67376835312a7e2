#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <stop_token>
#include <vector>

#include "models/qwen3.hpp"

namespace llmdit::models {

using TokenIds = std::vector<int64_t>;

/// Entries `layers` of hidden_states for each of several texts, each [tokens, hidden_size]: result[text][layer].
/// The tokens that all texts begin with are computed once, the rest of several texts at a time, so that each entry
/// equals that of the text alone to rounding, and to the bit where the texts share next to nothing.
std::vector<std::vector<at::Tensor>> hidden_states_of_each(const Qwen3Model& model, std::span<const TokenIds> texts,
                                                           std::span<const int64_t> layers,
                                                           const std::stop_token& stop);

}  // namespace llmdit::models
