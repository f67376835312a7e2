#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// How much of a command's flags its help lists.
enum class HelpLevel {
  common,  ///< --help: one screen
  all,     ///< --help-all: the fine points as well
};

/// The group of flags that only --help-all lists.
inline constexpr const char* kFinePoints = "Fine points";

/// The help of a command: usage, what it does, its flags in groups, examples.
std::string help_text(const CLI::App& app, const std::string& name, HelpLevel level);

/// `text` cut at blanks into lines of at most `width` columns; a longer word keeps a line of its own.
std::vector<std::string> wrap(std::string_view text, size_t width);

}  // namespace llmdit::cli
