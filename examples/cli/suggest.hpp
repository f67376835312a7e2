#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// ", did you mean X?" for the candidate that `word` looks like a misspelling of; "" when there is none.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

/// What is wrong with a command line that the parser of `app` did not accept, with the nearest flag or command.
std::string describe_parse_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace llmdit::cli
