#include "kernels/block_format.hpp"

#include <algorithm>

namespace llmdit::kernels {
namespace {

constexpr BlockFormat formats[] = {
    {BlockType::q4_0, "Q4_0", 2, 32, 18},      {BlockType::q4_1, "Q4_1", 3, 32, 20},
    {BlockType::q5_0, "Q5_0", 6, 32, 22},      {BlockType::q5_1, "Q5_1", 7, 32, 24},
    {BlockType::q8_0, "Q8_0", 8, 32, 34},      {BlockType::q2_k, "Q2_K", 10, 256, 84},
    {BlockType::q3_k, "Q3_K", 11, 256, 110},   {BlockType::q4_k, "Q4_K", 12, 256, 144},
    {BlockType::q5_k, "Q5_K", 13, 256, 176},   {BlockType::q6_k, "Q6_K", 14, 256, 210},
    {BlockType::iq4_nl, "IQ4_NL", 20, 32, 18}, {BlockType::iq4_xs, "IQ4_XS", 23, 256, 136},
};

}  // namespace

std::span<const BlockFormat> block_formats() noexcept { return formats; }

const BlockFormat& block_format(BlockType type) noexcept {
  return *std::ranges::find(formats, type, &BlockFormat::type);
}

const BlockFormat* find_block_format(std::string_view name) noexcept {
  const auto found = std::ranges::find(formats, name, &BlockFormat::name);
  return found == std::end(formats) ? nullptr : found;
}

}  // namespace llmdit::kernels
