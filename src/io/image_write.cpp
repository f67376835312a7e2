#include <algorithm>
#include <cctype>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "base/parse_choice.hpp"
#include "base/translate.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/exif.hpp"
#include "io/image_codec.hpp"
#include "llmdit/image.hpp"

namespace llmdit {

template <>
struct EnumTable<ImageFormat> {
  static constexpr EnumName<ImageFormat> names[] = {
      {ImageFormat::png, "png"}, {ImageFormat::jpeg, "jpeg"}, {ImageFormat::jpeg, "jpg"}, {ImageFormat::webp, "webp"}};
};

namespace {

std::optional<ImageFormat> format_named(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return parse_enum<ImageFormat>(lower);
}

void check_pixels(const Image& image) {
  constexpr int64_t longest = int64_t{1} << 30;  // so that no product below overflows
  check(std::min(image.width, image.height) > 0 && std::max(image.width, image.height) <= longest, "encode_image",
        "expected a width and height of 1 to {}, got {} x {}", longest, image.width, image.height);
  check(image.pixels.size() == static_cast<size_t>(image.width * image.height * 3), "encode_image",
        "expected {} bytes of pixels for {} x {} RGB, got {}", image.width * image.height * 3, image.width,
        image.height, image.pixels.size());
}

}  // namespace

std::string_view image_format_name(ImageFormat format) noexcept { return enum_name(format); }

ImageFormat parse_image_format(std::string_view name) {
  constexpr std::string_view known[] = {"png", "jpeg", "webp"};
  const auto format = format_named(name);
  if (!format) unknown_choice("image", io::printable(name), known);
  return *format;
}

ImageFormat image_format_of(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  if (suffix.empty()) return ImageFormat::png;
  const auto format = format_named(std::string_view(suffix).substr(1));
  check(format.has_value(), "image", "expected a name that ends in .png, .jpg, .jpeg or .webp, got {}",
        io::printable_path(path));
  return *format;
}

std::vector<uint8_t> encode_image(const Image& image, ImageFormat format, const ImageText& text,
                                  std::optional<int> quality) {
  if (format == ImageFormat::png) {
    check(!quality, "encode_image", "expected no quality for PNG, which is lossless, got {}", quality.value_or(0));
    return encode_png(image, text);
  }
  check_pixels(image);
  const int used_quality = quality.value_or(default_image_quality);
  check(used_quality >= 1 && used_quality <= 100, "encode_image", "expected a quality of 1 to 100, got {}",
        used_quality);
  return translate_errors("encode_image", [&] {
    const std::string exif = io::write_exif(text);
    return format == ImageFormat::jpeg ? io::encode_jpeg(image, exif, used_quality)
                                       : io::encode_webp(image, exif, used_quality);
  });
}

void write_image(const std::filesystem::path& path, const Image& image, const ImageText& text,
                 std::optional<int> quality) {
  const std::vector<uint8_t> bytes = encode_image(image, image_format_of(path), text, quality);
  io::write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace llmdit
