#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace llmdit::io {

/// The bytes of a small file. Throws not_found when it cannot be read, unsupported when it is larger than `max_bytes`.
std::string read_text_file(const std::filesystem::path& path, size_t max_bytes = size_t{64} << 20);

}  // namespace llmdit::io
