#pragma once

#include <cstdint>

#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/memory_plan.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"
#include "nn/placement.hpp"

namespace llmdit {

/// The rows that the models see in one generation.
struct RowCounts {
  int64_t tokens = 0;          ///< of all prompts, negative ones among them
  int64_t longest_prompt = 0;  ///< in tokens
  int64_t encoder_blocks = 0;  ///< that run
  int64_t steps = 0;
  int64_t items = 0;         ///< sequences of a step, those of guidance among them
  int64_t image = 0;         ///< rows of one picture, padded
  int64_t caption = 0;       ///< rows of the longest caption, padded
  bool keeps_steps = false;  ///< for the next ones; see GenerateOptions::step_cache
  int64_t sequence() const { return image + caption; }
  int64_t rows() const { return items * sequence(); }
};

/// Where a model runs, and in which type.
struct Workplace {
  nn::Placement placement;
  c10::ScalarType compute = c10::kFloat;
  uint64_t widened = 0;  ///< on a GPU, the largest matrix of fewer bits, in the type of computation

  bool is_cpu() const { return placement.device.is_cpu(); }
  uint64_t number_bytes() const { return c10::elementSize(compute); }
  /// What libtorch's products on a GPU keep for themselves, and what they multiply with.
  uint64_t workspace() const { return is_cpu() ? 0 : 34'000'000 + widened; }
};

/// What a stage works with, and how much it works: multiplications and additions.
struct StageCost {
  uint64_t bytes = 0;
  double flops = 0;
};

RowCounts count_rows(const ZImageTransformerConfig& config, const GenerateOptions& options, const MemoryPlan& plan,
                     int64_t image_tokens);
/// How many of the text encoder's blocks run for the layers that are asked for.
int64_t blocks_run(const Qwen3Config& config, const GenerateOptions& options);

// Measured and fitted on models of the real width; tests hold them to what is measured.
StageCost encode_cost(const Qwen3Config& config, const RowCounts& rows, const Workplace& place);
StageCost denoise_cost(const ZImageTransformerConfig& config, const RowCounts& rows, const Workplace& place);
StageCost decode_cost(const AutoencoderKLConfig& config, const MemoryPlan& plan, const TilingOptions& tiling,
                      const Workplace& place);

/// Multiplications and additions a second of a product of `width` with weights as they are kept there.
double measure_rate(int64_t width, const Workplace& place);

}  // namespace llmdit
