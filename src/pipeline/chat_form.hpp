#pragma once

#include <filesystem>
#include <string_view>

namespace llmdit {

/// What such a template puts before every answer, which the answer itself does not repeat.
inline constexpr std::string_view think_opening = "<think>\n";

/// Whether the chat template in a model's folder opens a think block for every answer, as those of Thinking models do.
bool opens_think_block(const std::filesystem::path& folder);

}  // namespace llmdit
