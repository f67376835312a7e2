#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>

#include "llmdit/vl_encoder.hpp"

/// Which of Qwen3-VL's tokens are the picture's, and what is read of their hidden states.
namespace llmdit::vl_tokens {

inline constexpr const char* image_pad = "<|image_pad|>";
inline constexpr const char* vision_start = "<|vision_start|>";
inline constexpr const char* vision_end = "<|vision_end|>";

/// The rows of the two markers around a picture.
struct Markers {
  int64_t start = 0;
  int64_t end = 0;
};
using Range = std::optional<Markers>;

/// The last start before the first end; nothing when one is missing.
Range find_picture(std::span<const int64_t> input_ids, const Qwen3VLConfig& config);

/// Masks, selects and scales the rows of `states` [tokens, hidden_size] into `result`.
void read_states(const at::Tensor& states, const Range& range, const VLExtractOptions& options, VLExtraction& result);

}  // namespace llmdit::vl_tokens
