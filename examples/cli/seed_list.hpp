#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// Seeds and ranges of them, "1,2,5-9", in their order. Throws UsageError naming the flag.
std::vector<uint64_t> parse_seeds(std::string_view text);

}  // namespace llmdit::cli
