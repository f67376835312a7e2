#pragma once

#include <filesystem>

namespace llmdit {

/// The folder this library was loaded from; files that belong to it are found relative to there.
std::filesystem::path library_folder();

}  // namespace llmdit
