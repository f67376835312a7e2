#pragma once

#include <filesystem>

#include "llmdit/export.hpp"

namespace llmdit {

/// The folder of the tiny model that comes with the library: LLMDIT_DEMO_MODEL when set, else share/llmdit/demo_model
/// beside the library. Throws not_found naming the places looked at.
LLMDIT_EXPORT std::filesystem::path demo_model_path();

}  // namespace llmdit
