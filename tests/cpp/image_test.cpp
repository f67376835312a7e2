#include "llmdit/image.hpp"

#include <zlib.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "llmdit/inspect.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

using test::TempFolder;
using test::thrown_by;

constexpr ImageFormat formats[] = {ImageFormat::png, ImageFormat::jpeg, ImageFormat::webp};
const ImageText both_texts = {{"parameters", "кот 猫 🐈\nNegative prompt: naïve\nSteps: 9, Seed: 1"},
                              {"llmdit", R"({"prompt":"кот 猫 🐈","seed":18446744073709551615})"}};

/// Smooth, so that lossy formats hold it.
Image make_image(int64_t width, int64_t height) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < width * height * 3; ++i) {
    const double x = static_cast<double>(i / 3 % width) / 40, y = static_cast<double>(i / 3 / width) / 40;
    image.pixels.push_back(static_cast<uint8_t>(128 + 100 * std::sin(x + y + static_cast<double>(i % 3))));
  }
  return image;
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE((a.width == b.width && a.height == b.height));
  int largest = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

std::string as_string(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<uint8_t> as_bytes(const std::string& text) { return {text.begin(), text.end()}; }

std::string refusal(const std::string& bytes, const ReadImageOptions& options = {}) {
  const auto error = thrown_by([&] { decode_image(as_bytes(bytes), options); });
  CHECK(error.code == ErrorCode::unsupported);
  return error.text;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(crc));
}

/// A PNG of 8-bit RGBA.
std::string rgba_png(uint32_t width, uint32_t height, const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string packed(size, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
                   raw.size()) == Z_OK);
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian(width) + big_endian(height) + std::string("\x8\x6\0\0\0", 5)) +
         chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace

TEST_CASE("formats have names and suffixes", "[image]") {
  CHECK(image_format_name(ImageFormat::jpeg) == "jpeg");
  for (const ImageFormat format : formats) CHECK(parse_image_format(image_format_name(format)) == format);
  CHECK(parse_image_format("JPG") == ImageFormat::jpeg);
  CHECK(image_format_of("a/b.c/cat.JpEg") == ImageFormat::jpeg);
  CHECK(image_format_of("cat.png.webp") == ImageFormat::webp);
  CHECK(image_format_of("/dev/null") == ImageFormat::png);
  const auto error = thrown_by([] { image_format_of("cat.gif"); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says(".png, .jpg, .jpeg or .webp, got cat.gif"));
  CHECK(thrown_by([] { parse_image_format("gif"); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("a picture comes back from every format", "[image]") {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{1, 1}, {64, 48}, {1, 200}, {333, 7}}) {
    const Image image = make_image(width, height);
    CHECK((decode_image(encode_image(image, ImageFormat::png)) == image));
    CHECK((decode_image(encode_image(image, ImageFormat::webp, {}, 100)) == image));
    CHECK(largest_difference(decode_image(encode_image(image, ImageFormat::jpeg)), image) <= 12);
    CHECK(largest_difference(decode_image(encode_image(image, ImageFormat::webp)), image) <= 24);
  }
  const Image image = make_image(256, 256);
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    CHECK(encode_image(image, format, {}, 20).size() < encode_image(image, format, {}, 80).size());
    CHECK(encode_image(image, format) == encode_image(image, format, {}, default_image_quality));
  }
}

TEST_CASE("texts of every script come back from every format", "[image]") {
  const TempFolder folder;
  for (const std::string suffix : {".png", ".jpg", ".jpeg", ".webp"}) {
    INFO(suffix);
    const auto path = folder.path() / ("picture" + suffix);
    write_image(path, make_image(16, 8), both_texts);
    const ImageInfo info = read_image_info(path);
    CHECK(info.format == image_format_of(path));
    CHECK((info.width == 16 && info.height == 8 && info.color == "RGB" && info.bit_depth == 8));
    CHECK((!info.has_alpha && info.orientation == 1));
    CHECK(info.text == both_texts);
    CHECK(inspect(path).kind == FileKind::picture);
    CHECK(inspect(path).picture.text == both_texts);
    for (const auto& entry : both_texts) {
      write_image(path, make_image(16, 8), {entry});
      CHECK(read_image_info(path).text == ImageText{entry});
    }
  }
}

TEST_CASE("metadata does not change the pixels, and without text there is none", "[image]") {
  for (const ImageFormat format : formats) {
    const auto plain = encode_image(make_image(40, 30), format);
    const auto with_text = encode_image(make_image(40, 30), format, both_texts);
    CHECK((decode_image(plain) == decode_image(with_text)));
    for (const std::string_view mark : {"Exif", "EXIF", "eXIf", "tEXt", "iTXt", "llmdit", "parameters", "VP8X"}) {
      INFO(mark);
      CHECK(!has(as_string(plain), mark));
    }
  }
}

TEST_CASE("what a format cannot hold is refused", "[image]") {
  const auto code = [](ImageFormat format, const ImageText& text, std::optional<int> quality = std::nullopt) {
    return thrown_by([&] { encode_image(make_image(4, 4), format, text, quality); }).code;
  };
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::webp}) {
    CHECK(code(format, {{"Title", "x"}}) == ErrorCode::invalid_argument);
    CHECK(code(format, {{"llmdit", "1"}, {"llmdit", "2"}}) == ErrorCode::invalid_argument);
    CHECK(code(format, {{"parameters", "\xff"}}) == ErrorCode::invalid_argument);
    CHECK(code(format, {{"parameters", std::string("a\0b", 3)}}) == ErrorCode::invalid_argument);
    CHECK(code(format, {}, 0) == ErrorCode::invalid_argument);
    CHECK(code(format, {}, 101) == ErrorCode::invalid_argument);
    CHECK(code(format, {}, 1) == ErrorCode::ok);
    CHECK(thrown_by([&] { encode_image({}, format); }).code == ErrorCode::invalid_argument);
    CHECK(thrown_by([&] { encode_image({2, 2, {1, 2, 3}}, format); }).code == ErrorCode::invalid_argument);
  }
  CHECK(code(ImageFormat::png, {}, 90) == ErrorCode::invalid_argument);

  const ImageText long_text = {{"parameters", std::string(33'000, 'x')}};
  CHECK(code(ImageFormat::jpeg, long_text) == ErrorCode::invalid_argument);
  CHECK(code(ImageFormat::webp, long_text) == ErrorCode::ok);
  CHECK(code(ImageFormat::jpeg, {{"parameters", std::string(32'000, 'x')}}) == ErrorCode::ok);

  CHECK(thrown_by([] { encode_image(make_image(65501, 1), ImageFormat::jpeg); }).says("65500"));
  CHECK(thrown_by([] { encode_image(make_image(1, 16384), ImageFormat::webp); }).says("16383"));
  const TempFolder folder;
  CHECK(thrown_by([&] { write_image(folder.path() / "a.gif", make_image(1, 1)); }).code == ErrorCode::invalid_argument);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("alpha is laid over the background", "[image]") {
  const std::string png =
      rgba_png(4, 1, std::string("\0\x64\xc8\x32\x00\x64\xc8\x32\xff\x64\xc8\x32\x80\x00\x00\x00\x01", 17));
  CHECK(decode_image(as_bytes(png)).pixels ==
        std::vector<uint8_t>{255, 255, 255, 100, 200, 50, 177, 227, 152, 254, 254, 254});
  CHECK(decode_image(as_bytes(png), {.background = {0, 100, 200}}).pixels ==
        std::vector<uint8_t>{0, 100, 200, 100, 200, 50, 50, 150, 125, 0, 100, 199});
}

TEST_CASE("too many pixels are refused before memory is taken", "[image]") {
  for (const ImageFormat format : formats) {
    const std::string bytes = as_string(encode_image(make_image(30, 20), format));
    CHECK(has(refusal(bytes, {.max_pixels = 599}), "30 x 20 pixels are more than the limit of 599"));
    CHECK(decode_image(as_bytes(bytes), {.max_pixels = 600}).width == 30);
    CHECK(thrown_by([&] { decode_image(as_bytes(bytes), {.max_pixels = 0}); }).code == ErrorCode::invalid_argument);
  }
  CHECK(has(refusal(rgba_png(0x7fffffff, 0x7fffffff, "x")), "more than the limit"));
  std::string jpeg = as_string(encode_image(make_image(8, 8), ImageFormat::jpeg));
  jpeg.replace(jpeg.find("\xff\xc0") + 5, 4, "\xff\xdc\xff\xdc");
  CHECK(has(refusal(jpeg), "more than the limit"));
}

TEST_CASE("a picture is told by its content and not by its name", "[image]") {
  const TempFolder folder;
  const Image image = make_image(5, 4);
  const auto path = folder.write("picture.jpg", as_string(encode_png(image)));
  CHECK((read_image(path) == image));
  CHECK(read_image_info(path).format == ImageFormat::png);
  CHECK(thrown_by([&] { read_image(folder.path() / "absent.png"); }).code == ErrorCode::not_found);

  CHECK(has(refusal("GIF89a"), "found a GIF picture"));
  CHECK(has(refusal(std::string("II*\0", 4)), "found a TIFF picture"));
  CHECK(has(refusal("xxxxftypavif"), "found an AVIF picture"));
  CHECK(has(refusal(""), "found an empty file"));
  CHECK(has(refusal("text"), "found other data"));
  const auto named = thrown_by([&] { read_image(folder.write("picture.png", "text")); });
  CHECK(named.says(test::as_text(folder.path() / "picture.png")));
}

TEST_CASE("a picture cut at any byte is refused", "[image]") {
  for (const ImageFormat format : formats) {
    INFO(image_format_name(format));
    const std::string good = as_string(encode_image(make_image(24, 16), format, both_texts));
    for (size_t size = 0; size < good.size(); ++size) refusal(good.substr(0, size));
  }
}

TEST_CASE("changed bytes do no more than throw", "[image]") {
  for (const ImageFormat format : formats) {
    const std::string good = as_string(encode_image(make_image(24, 16), format, both_texts));
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
      const auto error = thrown_by([&] { decode_image(as_bytes(bytes), {.max_pixels = 1 << 16}); });
      if (error.code != ErrorCode::ok) CHECK(error.code == ErrorCode::unsupported);
    }
  }
}

}  // namespace llmdit
