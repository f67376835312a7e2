#pragma once

#include <span>
#include <string>

#include "command_tree.hpp"

namespace llmdit::cli {

// What a shell runs to complete the words of a command line.
std::string bash_completion(std::span<const CommandInfo> commands);
std::string zsh_completion(std::span<const CommandInfo> commands);
std::string fish_completion(std::span<const CommandInfo> commands);

}  // namespace llmdit::cli
