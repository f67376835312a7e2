#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmdit::text {

// GPT-2's alphabet: each byte has one printable character that stands for it in the spelling of a token.

/// The spelling of `bytes`.
std::string spell_bytes(std::string_view bytes);

/// The bytes a token stands for; its own UTF-8 when it holds a character outside the alphabet, as added tokens may.
std::string spelled_bytes(std::string_view token);

}  // namespace llmdit::text
