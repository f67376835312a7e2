#pragma once

#include <string>
#include <string_view>

#include "base/option_table.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

/// The shortest text that means the size exactly.
std::string memory_size_text(const MemorySize& size);

template <>
struct OptionText<MemorySize> {
  static std::string write(const MemorySize& size) { return memory_size_text(size); }
  static MemorySize read(std::string_view text) { return parse_memory_size(text); }
};

}  // namespace llmdit
