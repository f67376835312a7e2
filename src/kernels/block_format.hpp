#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace llmdit::kernels {

/// The block types of GGUF files: a few dozen weights along a row share scales.
enum class BlockType { q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs };

struct BlockFormat {
  BlockType type;
  std::string_view name;  ///< as GGUF tools write it, e.g. "Q4_K"
  uint32_t ggml_type;     ///< its number in a GGUF file
  int64_t weights;        ///< of a block
  int64_t bytes;          ///< of a block
};

std::span<const BlockFormat> block_formats() noexcept;
const BlockFormat& block_format(BlockType type) noexcept;
/// Null for an unknown name.
const BlockFormat* find_block_format(std::string_view name) noexcept;

/// Writes `count` weights, a multiple of the block's, as float32; equal to the `gguf` package bit for bit.
void dequantize(BlockType type, const std::byte* blocks, float* out, int64_t count) noexcept;

/// The same for Q8_0, kept apart: the blocks' integers, widened, and a factor for each 32.
void unpack_q8_0(const std::byte* blocks, int16_t* numbers, float* factors, int64_t count) noexcept;

/// Whether `quantize` writes this type: Q8_0 and Q4_0.
bool can_quantize(BlockType type) noexcept;

/// The blocks of `count` weights, a multiple of the block's; equal to the `gguf` package bit for bit.
void quantize(BlockType type, const float* weights, std::byte* out, int64_t count) noexcept;

}  // namespace llmdit::kernels
