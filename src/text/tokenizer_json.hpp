#pragma once

#include <filesystem>

#include "text/byte_level_description.hpp"

namespace llmdit::text {

/// Reads and checks a `tokenizer.json`. Throws not_found when it cannot be read; unsupported, naming file and key, when
/// it is damaged or asks for anything that is not handled here. Memory stays in proportion to the file.
ByteLevelDescription read_tokenizer_json(const std::filesystem::path& file);

}  // namespace llmdit::text
