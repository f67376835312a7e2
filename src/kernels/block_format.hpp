#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

inline constexpr BlockFormat block_formats[] = {
    {BlockType::q4_0, "Q4_0", 2, 32, 18},      {BlockType::q4_1, "Q4_1", 3, 32, 20},
    {BlockType::q5_0, "Q5_0", 6, 32, 22},      {BlockType::q5_1, "Q5_1", 7, 32, 24},
    {BlockType::q8_0, "Q8_0", 8, 32, 34},      {BlockType::q2_k, "Q2_K", 10, 256, 84},
    {BlockType::q3_k, "Q3_K", 11, 256, 110},   {BlockType::q4_k, "Q4_K", 12, 256, 144},
    {BlockType::q5_k, "Q5_K", 13, 256, 176},   {BlockType::q6_k, "Q6_K", 14, 256, 210},
    {BlockType::iq4_nl, "IQ4_NL", 20, 32, 18}, {BlockType::iq4_xs, "IQ4_XS", 23, 256, 136},
};

/// What the nibbles of IQ4_NL and IQ4_XS stand for: a fixed grid that is finer near zero.
inline constexpr float nibble_grid[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// In the order of the table; a constant where the type is one.
constexpr const BlockFormat& block_format(BlockType type) { return block_formats[static_cast<int>(type)]; }
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
