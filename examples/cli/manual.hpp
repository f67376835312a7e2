#pragma once

#include <span>
#include <string>

#include "command_tree.hpp"

namespace llmdit::cli {

/// The manual's page as man reads it.
std::string manual_page(std::span<const CommandInfo> commands);

}  // namespace llmdit::cli
