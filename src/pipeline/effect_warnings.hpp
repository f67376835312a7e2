#pragma once

#include <span>
#include <string>
#include <vector>

#include "llmdit/generate_options.hpp"

namespace llmdit {

/// Options that are given and change nothing are told, not passed over.
std::vector<std::string> effect_warnings(std::span<const std::string> prompts, const GenerateOptions& options);

}  // namespace llmdit
