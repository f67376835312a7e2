#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// Whether pictures could be written to `path` later on, so that a slow command fails before its work and not after it.
/// Missing folders are fine. `flag` is what named the path. Throws UsageError for a folder or the suffix of no format
/// that is written, or one of `inputs` (paths or empty), not_found for a place that cannot be written.
void check_output(const std::filesystem::path& path, std::string_view flag, std::span<const std::string> inputs = {});

/// The same for a file of any kind. A symbolic link is written through, also one whose target is not there yet.
void check_place(const std::filesystem::path& path, std::string_view flag);

/// Whether both names are of one file, which need not exist yet.
bool is_same_file(const std::filesystem::path& one, const std::filesystem::path& other);

/// Whether a file is there that writing would replace.
bool would_replace(const std::filesystem::path& path);

/// Makes the folders that `path` lies in. Throws not_found with the system's reason.
void create_parent_folders(const std::filesystem::path& path);

}  // namespace llmdit::cli
