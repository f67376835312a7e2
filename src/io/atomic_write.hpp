#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>

namespace llmdit::io {

/// Replaces `path` by a file with these bytes, or leaves it as it was: a temporary beside it is written, synced and
/// renamed. A symbolic link keeps pointing at its target, which is replaced or made; a pipe or device is written to
/// directly.
/// Throws not_found with the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// Takes the next bytes of a file that is being written.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// The same for a file too large to be held in memory: `produce` hands its bytes to the sink one part after another. An
/// exception out of `produce` leaves `path` as it was.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& produce);

}  // namespace llmdit::io
