#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace llmdit::io {

/// Replaces `path` by a file with these bytes, or leaves it as it was: a temporary beside it is written, synced and
/// renamed. A symbolic link keeps pointing at its target, which is replaced; a pipe or device is written to directly.
/// Throws not_found with the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace llmdit::io
