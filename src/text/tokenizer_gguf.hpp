#pragma once

#include <filesystem>

#include "text/byte_level_description.hpp"

namespace llmdit::text {

/// Reads and checks the tokenizer inside a GGUF file, which must be Qwen's: such files name the pattern that cuts words
/// and do not spell it. Throws not_found when the file cannot be read; unsupported, naming file and key, when it is
/// damaged or its tokenizer is missing or another one.
ByteLevelDescription read_tokenizer_gguf(const std::filesystem::path& file);

}  // namespace llmdit::text
