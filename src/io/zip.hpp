#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace llmdit::io {

struct ZipMember {
  std::string name;
  std::vector<std::byte> bytes;
};

/// Members of a ZIP file, stored or deflated, checksums verified. Throws not_found when the file cannot be read,
/// unsupported when it is damaged, encrypted or of more than `max_bytes` unpacked.
std::vector<ZipMember> read_zip(const std::filesystem::path& path, size_t max_bytes);

/// Writes members as they are, without compression and the time of day: equal members give equal files.
void write_zip(const std::filesystem::path& path, std::span<const ZipMember> members);

}  // namespace llmdit::io
