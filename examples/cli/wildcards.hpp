#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// Every prompt that a text with alternatives stands for: "{red|blue} __shape__" has each colour with each line of the
/// file shape.txt in `lists`. Alternatives and lines may hold further ones; braces without a bar stay as they are. What
/// follows a backslash is meant as it stands: \{ \} \| \_ \\. Blank lines and those that begin with # are none. Throws
/// UsageError for a brace without its partner, a list that names itself, and too many prompts; not_found for a list
/// that is not there.
std::vector<std::string> expand_prompt(std::string_view text, const std::filesystem::path& lists);

}  // namespace llmdit::cli
