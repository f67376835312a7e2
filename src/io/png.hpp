#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "io/image_source.hpp"
#include "llmdit/image.hpp"

namespace llmdit::io {

// What both the writer and the reader of PNG files need to know of the format.
constexpr std::string_view png_signature = "\x89PNG\r\n\x1a\n";
constexpr uint32_t png_max_length = 0x7fffffff;  // of a chunk's data, and of width and height
constexpr size_t png_chunk_overhead = 12;        // length, type, CRC-32
constexpr size_t png_header_bytes = 13;          // the data of IHDR

/// Keywords have 1 to 79 printable Latin-1 characters, and no space at an end or next to another.
bool is_png_keyword(std::string_view latin1) noexcept;

/// CRC-32 of a chunk's type and data, which lie one behind the other in the file.
uint32_t png_crc(std::string_view type_and_data) noexcept;

/// Checks the header and the checksum of every chunk; reads what read_png_info reads, but for the texts.
ImageInfo check_png(const ImageSource& source);

}  // namespace llmdit::io
