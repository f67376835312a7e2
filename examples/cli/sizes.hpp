#pragma once

#include <cstdint>
#include <string>

namespace llmdit::cli {

/// "11.2 MB": decimal units, three digits.
std::string bytes_text(uint64_t bytes);

}  // namespace llmdit::cli
