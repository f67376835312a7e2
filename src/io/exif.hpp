#pragma once

#include <string>
#include <string_view>

#include "llmdit/image.hpp"

namespace llmdit::io {

/// What is read of a picture's EXIF data.
struct Exif {
  int orientation = 1;  ///< 1 to 8
  ImageText text;       ///< the UserComment as "parameters", our MakerNote as "llmdit"
};

/// In JPEG, and by mistake in some WebP files, these stand before the data.
constexpr std::string_view exif_prefix{"Exif\0\0", 6};

/// Of data that cannot be read, what could be.
Exif read_exif(std::string_view data);

/// EXIF data, without the prefix, that hold "parameters" and "llmdit"; empty when `text` is.
/// Throws invalid_argument for other keywords and for texts that are no UTF-8 or hold NUL.
std::string write_exif(const ImageText& text);

}  // namespace llmdit::io
