#include "kernels/block_format.hpp"

#include <algorithm>

namespace llmdit::kernels {

static_assert(std::ranges::all_of(block_formats,
                                  [](const BlockFormat& format) { return &block_format(format.type) == &format; }));

const BlockFormat* find_block_format(std::string_view name) noexcept {
  const auto found = std::ranges::find(block_formats, name, &BlockFormat::name);
  return found == std::end(block_formats) ? nullptr : found;
}

}  // namespace llmdit::kernels
