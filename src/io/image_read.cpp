#include <algorithm>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/image_codec.hpp"
#include "io/mapped_file.hpp"
#include "io/png.hpp"
#include "llmdit/image.hpp"

namespace llmdit {
namespace io {

void Raster::check_size(const ImageSource& source, int64_t max_pixels) const {
  if (height <= max_pixels / width) return;
  source.fail(fmt::format("{} x {} pixels are more than the limit of {}; scale it down, or raise max_pixels", width,
                          height, max_pixels));
}

std::optional<ImageFormat> image_format_of_content(std::string_view bytes) noexcept {
  if (bytes.starts_with(png_signature)) return ImageFormat::png;
  if (bytes.starts_with("\xff\xd8\xff")) return ImageFormat::jpeg;
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") return ImageFormat::webp;
  return std::nullopt;
}

}  // namespace io

namespace {

/// Formats that are told apart to name them in the refusal.
std::string_view foreign_format(std::string_view bytes) {
  constexpr std::pair<std::string_view, std::string_view> beginnings[] = {
      {"GIF8", "a GIF picture"},
      {"BM", "a BMP picture"},
      {std::string_view("II*\0", 4), "a TIFF picture"},
      {std::string_view("MM\0*", 4), "a TIFF picture"},
      {"\xff\x0a", "a JPEG XL picture"},
      {std::string_view("\0\0\0\x0cJXL ", 8), "a JPEG XL picture"},
      {std::string_view("\0\0\0\x0cjP  ", 8), "a JPEG 2000 picture"},
      {"8BPS", "a Photoshop document"},
  };
  for (const auto& [beginning, name] : beginnings) {
    if (bytes.starts_with(beginning)) return name;
  }
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") {
    const std::string_view brand = bytes.substr(8, 4);
    if (brand.starts_with("avi")) return "an AVIF picture";
    if (brand.starts_with("hei") || brand.starts_with("mif")) return "a HEIC picture";
  }
  return bytes.empty() ? "an empty file" : "other data";
}

ImageFormat format_of(const io::ImageSource& source) {
  if (const auto format = io::image_format_of_content(source.bytes)) return *format;
  source.fail(fmt::format("expected a PNG, JPEG or WebP picture, found {}", foreign_format(source.bytes)));
}

io::Raster read_raster(const io::ImageSource& source, int64_t max_pixels) {
  switch (format_of(source)) {
    case ImageFormat::png:
      return io::read_png(source, max_pixels);
    case ImageFormat::jpeg:
      return io::read_jpeg(source, max_pixels);
    case ImageFormat::webp:
      return io::read_webp(source, max_pixels);
  }
  source.fail("unknown format");
}

/// Lays RGBA over the background, in place.
void flatten(io::Raster& raster, const std::array<uint8_t, 3>& background) {
  if (raster.channels == 3) return;
  const uint8_t* in = raster.samples.data();
  uint8_t* out = raster.samples.data();
  for (int64_t left = raster.width * raster.height; left > 0; --left, in += 4, out += 3) {
    const int alpha = in[3];
    for (int c = 0; c < 3; ++c) {
      out[c] = static_cast<uint8_t>((in[c] * alpha + background[c] * (255 - alpha) + 127) / 255);
    }
  }
  raster.samples.resize(static_cast<size_t>(out - raster.samples.data()));
  raster.channels = 3;
}

bool swaps_sides(int orientation) { return orientation >= 5; }

/// Turns and mirrors an RGB raster as its orientation says.
Image upright(io::Raster raster) {
  const int o = raster.orientation;
  if (o == 1) return {raster.width, raster.height, std::move(raster.samples)};
  const bool mirrors_x = o == 2 || o == 3 || o == 7 || o == 8;
  const bool mirrors_y = o == 3 || o == 4 || o == 6 || o == 7;
  Image image{raster.width, raster.height, std::vector<uint8_t>(raster.samples.size())};
  if (swaps_sides(o)) std::swap(image.width, image.height);
  uint8_t* out = image.pixels.data();
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x, out += 3) {
      const int64_t u = swaps_sides(o) ? y : x, v = swaps_sides(o) ? x : y;
      const uint8_t* in =
          raster.row(mirrors_y ? raster.height - 1 - v : v) + 3 * (mirrors_x ? raster.width - 1 - u : u);
      std::copy_n(in, 3, out);
    }
  }
  return image;
}

Image decode(const io::ImageSource& source, const ReadImageOptions& options) {
  constexpr int64_t most = int64_t{1} << 40;  // so that no size in bytes overflows
  check(options.max_pixels > 0 && options.max_pixels <= most, "image", "expected max_pixels of 1 to {}, got {}", most,
        options.max_pixels);
  return translate_errors("image", [&] {
    io::Raster raster = read_raster(source, options.max_pixels);
    flatten(raster, options.background);
    return upright(std::move(raster));
  });
}

io::ImageSource source_of(const io::MappedFile& file) {
  return {{reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, io::printable_path(file.path())};
}

ImageInfo read_info(const io::ImageSource& source) {
  switch (format_of(source)) {
    case ImageFormat::png:
      return io::read_png_info(source);
    case ImageFormat::jpeg:
      return io::read_jpeg_info(source);
    case ImageFormat::webp:
      return io::read_webp_info(source);
  }
  source.fail("unknown format");
}

}  // namespace

Image decode_image(std::span<const uint8_t> bytes, const ReadImageOptions& options) {
  return decode({{reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "the picture"}, options);
}

Image read_image(const std::filesystem::path& path, const ReadImageOptions& options) {
  const auto file = io::MappedFile::open(path);
  return decode(source_of(*file), options);
}

ImageInfo read_image_info(const std::filesystem::path& path) {
  const auto file = io::MappedFile::open(path);
  return translate_errors("image", [&] {
    ImageInfo info = read_info(source_of(*file));
    if (swaps_sides(info.orientation)) std::swap(info.width, info.height);
    return info;
  });
}

}  // namespace llmdit
