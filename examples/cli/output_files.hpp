#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// `path` for one file; for several -0001, -0002, ... before the extension.
std::vector<std::filesystem::path> numbered_paths(const std::filesystem::path& path, int64_t count);

/// Whether pictures could be written to `path` later on, so that a slow command fails before its work and not after it.
/// Missing folders are fine. `flag` is what named the path. Throws UsageError for a folder or the suffix of no format
/// that is written, or one of `inputs` (paths or empty), not_found for a place that cannot be written.
void check_output(const std::filesystem::path& path, std::string_view flag, std::span<const std::string> inputs = {});

/// The same for a file of any kind.
void check_place(const std::filesystem::path& path, std::string_view flag);

/// Makes the folders that `path` lies in. Throws not_found with the system's reason.
void create_parent_folders(const std::filesystem::path& path);

}  // namespace llmdit::cli
