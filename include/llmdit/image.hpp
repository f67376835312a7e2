#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// An 8-bit RGB picture; row-major, three bytes a pixel, no padding between rows.
struct Image {
  int64_t width = 0;   ///< pixels
  int64_t height = 0;  ///< pixels
  std::vector<uint8_t> pixels;

  bool operator==(const Image&) const = default;
};

/// Keyword and UTF-8 text of the picture's text chunks, in file order.
using ImageText = std::vector<std::pair<std::string, std::string>>;

/// The bytes of a PNG file. `text` is stored as tEXt where it is Latin-1 and as iTXt elsewhere.
/// Throws invalid_argument when the size does not fit the pixels or a keyword is not 1-79 Latin-1 characters.
LLMDIT_EXPORT std::vector<uint8_t> encode_png(const Image& image, const ImageText& text = {});

/// Writes encode_png's bytes beside `path` and renames, so that a full disk leaves no half picture.
/// Throws not_found when the file cannot be written.
LLMDIT_EXPORT void write_png(const std::filesystem::path& path, const Image& image, const ImageText& text = {});

/// Size and text chunks of a PNG file, without its pixels.
struct PngInfo {
  int64_t width = 0;
  int64_t height = 0;
  int bit_depth = 0;
  int color_type = 0;  ///< as in the PNG standard: 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA
  ImageText text;
};

/// Throws not_found when the file cannot be read, unsupported when it is not a well-formed PNG.
LLMDIT_EXPORT PngInfo read_png_info(const std::filesystem::path& path);

}  // namespace llmdit
