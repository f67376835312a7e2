#pragma once

#include <array>
#include <filesystem>

namespace llmdit {

/// The folder this library was loaded from; files that belong to it are found relative to there.
std::filesystem::path library_folder();

/// Where files that come with the library may lie: in an installation or a wheel, and in a build tree.
std::array<std::filesystem::path, 2> library_data_folders();

}  // namespace llmdit
