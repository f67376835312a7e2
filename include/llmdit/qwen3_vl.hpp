#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/vl_image.hpp"

namespace llmdit {

/// `vision_config` of a Qwen3-VL model.
struct Qwen3VLVisionConfig {
  int64_t depth = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_heads = 0;
  int64_t in_channels = 3;
  int64_t patch_size = 16;
  int64_t temporal_patch_size = 2;
  int64_t spatial_merge_size = 2;
  int64_t out_hidden_size = 0;                      ///< the language model's hidden_size
  int64_t num_position_embeddings = 0;              ///< a square number
  std::vector<int64_t> deepstack_visual_indexes{};  ///< blocks whose outputs go to the first language layers as well
  double rope_theta = 10000;
};

/// `config.json` of a Qwen3-VL model.
struct Qwen3VLConfig {
  Qwen3Config text;
  Qwen3VLVisionConfig vision;
  std::vector<int64_t> mrope_section{};  ///< rotary frequencies of time, height and width, interleaved
  int64_t image_token_id = 151655;
  int64_t vision_start_token_id = 151652;
  int64_t vision_end_token_id = 151653;

  /// A model folder or its `config.json`. Throws unsupported for another architecture or a setting that is not handled.
  LLMDIT_EXPORT static Qwen3VLConfig load(const std::filesystem::path& path);
};

/// A picture as the language model takes it.
struct VLImageFeatures {
  at::Tensor embeddings;              ///< [image tokens, hidden_size], in the place of the image tokens' embeddings
  std::vector<at::Tensor> deepstack;  ///< entry i, of the same shape, is added to their rows after language layer i
};

}  // namespace llmdit
