#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "io/image_source.hpp"
#include "llmdit/image.hpp"

namespace llmdit::io {

/// Pixels as they lie in a file, neither flattened nor turned.
struct Raster {
  int64_t width = 0;
  int64_t height = 0;
  int channels = 3;  ///< 3 RGB, 4 RGBA with color not multiplied by alpha
  std::vector<uint8_t> samples;
  int orientation = 1;  ///< of EXIF

  /// Fails when there are more than `max_pixels`; called before a codec takes memory for them.
  void check_size(const ImageSource& source, int64_t max_pixels) const;
  void allocate() { samples.resize(static_cast<size_t>(width * height * channels)); }
  uint8_t* row(int64_t y) { return samples.data() + static_cast<size_t>(y * width * channels); }
};

// One pair per format. The sizes that `info` returns are those of the file, before the orientation is applied.
Raster read_png(const ImageSource& source, int64_t max_pixels);
Raster read_jpeg(const ImageSource& source, int64_t max_pixels);
Raster read_webp(const ImageSource& source, int64_t max_pixels);
ImageInfo read_png_info(const ImageSource& source);
ImageInfo read_jpeg_info(const ImageSource& source);
ImageInfo read_webp_info(const ImageSource& source);

// `exif` is empty where nothing is to be stored. The image's size is checked against its pixels before.
std::vector<uint8_t> encode_jpeg(const Image& image, std::string_view exif, int quality);
std::vector<uint8_t> encode_webp(const Image& image, std::string_view exif, int quality);

/// Nothing when the bytes begin as those of no format that is read.
std::optional<ImageFormat> image_format_of_content(std::string_view bytes) noexcept;

}  // namespace llmdit::io
