#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::io {

/// RFC 4648 with padding, in one line.
std::string base64_encode(std::span<const std::byte> bytes);

/// Nothing when `text` is anything but whole, padded groups of that alphabet.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

}  // namespace llmdit::io
