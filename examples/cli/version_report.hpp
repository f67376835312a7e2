#pragma once

#include <string>

#include "json_output.hpp"

namespace llmdit::cli {

/// "llmdit 0.1.0, libtorch 2.13.0".
std::string version_line();

/// The versions, and how the command was built.
Json version_document();

}  // namespace llmdit::cli
