#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/weight_file.hpp"

namespace llmdit::io {

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  ///< sorted by name
  std::map<std::string, std::string> metadata;
};

/// Reads the header at the start of `file` and checks it against the format's rules and the file's size.
/// Throws unsupported naming `path` and the key.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::filesystem::path& path);

}  // namespace llmdit::io
