#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

enum class ImageFormat { png, jpeg, webp };

/// The format's name, e.g. "jpeg".
LLMDIT_EXPORT std::string_view image_format_name(ImageFormat format) noexcept;

/// The format of "png", "jpeg", "jpg" or "webp" in any case. Throws invalid_argument for another name.
LLMDIT_EXPORT ImageFormat parse_image_format(std::string_view name);

/// The format that the path's suffix names; PNG where it has none, as devices have. Throws invalid_argument for
/// another.
LLMDIT_EXPORT ImageFormat image_format_of(const std::filesystem::path& path);

/// Keyword and UTF-8 text of the texts in a picture's file, in file order. What made a picture stands under
/// "parameters", as other tools read it, and under "llmdit" as JSON.
using ImageText = std::vector<std::pair<std::string, std::string>>;

struct ReadImageOptions {
  std::array<uint8_t, 3> background = {255, 255, 255};  ///< RGB behind what is transparent
  int64_t max_pixels = int64_t{1} << 27;                ///< more are refused before memory is taken for them
};

/// The picture in the bytes of a PNG, JPEG or WebP file, told by content: every color type brought to 8-bit RGB, alpha
/// laid over the background, the orientation of its EXIF applied. Color profiles and gamma are not applied. Of an
/// animated PNG it is the picture that plain readers show; animated WebP is refused.
/// Throws unsupported when the bytes are damaged, cut off, too large or of another kind.
LLMDIT_EXPORT Image decode_image(std::span<const uint8_t> bytes, const ReadImageOptions& options = {});

/// decode_image of a file, whatever its name. Throws not_found when it cannot be read.
LLMDIT_EXPORT Image read_image(const std::filesystem::path& path, const ReadImageOptions& options = {});

/// The picture in another size: the numbers of Pillow's Lanczos filter, which averages where it makes smaller.
/// Throws invalid_argument for sides below 1, or pixels that do not fit the size.
LLMDIT_EXPORT Image resize_image(const Image& image, int64_t width, int64_t height);

inline constexpr int default_image_quality = 95;

/// The bytes of a picture file. Without `text` it holds no metadata.
/// PNG: `text` is stored as tEXt where it is Latin-1 and as iTXt elsewhere.
/// JPEG, WebP: "parameters" is stored as the EXIF UserComment and "llmdit" as its MakerNote; there is no place for
/// others. `quality`, 1 to 100, is for JPEG and WebP; WebP of 100 is lossless. JPEG keeps colors at full resolution.
/// Throws invalid_argument when the size does not fit the pixels or the format (JPEG: 65500 pixels a side, WebP:
/// 16383), when a keyword or a text does not fit it (JPEG: 64 KiB in all), or when PNG is given a quality.
LLMDIT_EXPORT std::vector<uint8_t> encode_image(const Image& image, ImageFormat format, const ImageText& text = {},
                                                std::optional<int> quality = std::nullopt);

/// Writes encode_image's bytes in the format of the suffix, beside `path`, and renames, so that a full disk leaves no
/// half picture. Throws not_found when the file cannot be written.
LLMDIT_EXPORT void write_image(const std::filesystem::path& path, const Image& image, const ImageText& text = {},
                               std::optional<int> quality = std::nullopt);

/// encode_image as PNG. Keywords have 1 to 79 Latin-1 characters.
LLMDIT_EXPORT std::vector<uint8_t> encode_png(const Image& image, const ImageText& text = {});

/// write_image as PNG, whatever the path's suffix.
LLMDIT_EXPORT void write_png(const std::filesystem::path& path, const Image& image, const ImageText& text = {});

/// What is in a picture file, without its pixels.
struct ImageInfo {
  ImageFormat format = ImageFormat::png;
  int64_t width = 0;   ///< pixels, as read_image gives the picture
  int64_t height = 0;  ///< pixels, as read_image gives the picture
  std::string color;   ///< "gray", "RGB", "palette" or "CMYK"
  int bit_depth = 0;   ///< of a sample, or of a palette's index
  bool has_alpha = false;
  int orientation = 1;  ///< of EXIF, 1 to 8; 1 is upright
  ImageText text;       ///< PNG: all its text chunks; JPEG, WebP: the UserComment as "parameters", and "llmdit"
};

/// Headers, and all of a PNG's checksums, are checked; EXIF that cannot be read counts as none.
/// Throws not_found when the file cannot be read, unsupported when it is damaged or of another kind.
LLMDIT_EXPORT ImageInfo read_image_info(const std::filesystem::path& path);

}  // namespace llmdit
