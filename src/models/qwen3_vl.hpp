#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "models/qwen3.hpp"
#include "models/qwen3_vl_vision.hpp"

namespace llmdit::models {

/// A picture inside a sequence of tokens.
struct VLPicture {
  VLImageFeatures features;
  std::array<int64_t, 3> grid_thw{};  ///< in patches
};

/// What the language model runs on; DecoderInput points into it.
struct VLSequence {
  at::Tensor embeddings;                    ///< [tokens, hidden_size], the picture's in their places
  at::Tensor positions;                     ///< int64 [3, tokens]: time, height, width
  nn::RopeHalves rope;                      ///< of the positions
  std::optional<RowAdditions> additions{};  ///< of the picture

  /// Position of the token after the last, on all three axes.
  int64_t next_position() const;
  DecoderInput input(nn::KeyValueCache* cache = nullptr) const {
    return {.embeddings = embeddings, .rope = rope, .additions = additions ? &*additions : nullptr, .cache = cache};
  }
};

/// Qwen3-VL: the vision tower in front of a Qwen3 decoder whose positions have three axes.
class Qwen3VLModel {
 public:
  /// Names in `language` are those of Qwen3Model, in `vision` those of Qwen3VLVision.
  Qwen3VLModel(const nn::Weights& language, const nn::Weights& vision, const Qwen3VLConfig& config);

  VLPicture look_at(const PixelValues& pixels, const std::stop_token& stop) const;

  /// Tokens of text, or of text with one picture, whose image tokens are as many as its features.
  VLSequence sequence(std::span<const int64_t> input_ids, const VLPicture* picture) const;

  /// Position rows int64 [3, tokens]. Text counts on; an image token has the picture's first position, plus row and
  /// column on the last two axes; after the picture positions go on behind its longer side.
  at::Tensor position_ids(std::span<const int64_t> input_ids, const std::array<int64_t, 3>* grid_thw) const;

  /// The rotary table of positions [3, tokens]: frequencies of the axes interleaved.
  nn::RopeHalves rope(const at::Tensor& positions) const;

  const Qwen3Model& language() const { return language_; }

 private:
  Qwen3VLConfig config_;
  Qwen3Model language_;
  Qwen3VLVision vision_;
};

}  // namespace llmdit::models
