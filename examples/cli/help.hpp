#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// The --help text of a command: usage, what it does, its flags in groups, examples.
std::string help_text(const CLI::App& app, const std::string& name);

/// `text` cut at blanks into lines of at most `width` columns; a longer word keeps a line of its own.
std::vector<std::string> wrap(std::string_view text, size_t width);

}  // namespace llmdit::cli
