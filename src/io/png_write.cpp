#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/check.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/png.hpp"
#include "llmdit/image.hpp"

namespace {

/// Deflate of zlib in place of stb's own, whose files are a fifth larger and take longer.
unsigned char* compress_with_zlib(unsigned char* data, int size, int* compressed_size, int /*quality*/) {
  uLongf capacity = compressBound(static_cast<uLong>(size));
  auto* compressed = static_cast<unsigned char*>(std::malloc(capacity));
  if (compressed && compress2(compressed, &capacity, data, static_cast<uLong>(size), Z_DEFAULT_COMPRESSION) == Z_OK) {
    *compressed_size = static_cast<int>(capacity);
    return compressed;
  }
  std::free(compressed);
  return nullptr;
}

}  // namespace

#define STBIW_ZLIB_COMPRESS compress_with_zlib
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace llmdit {
namespace {

constexpr int64_t max_raw_bytes = int64_t{1} << 29;  // stb counts in int, and needs room to spare

void append_big_endian(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

/// The tEXt or iTXt chunk of one entry.
void append_text_chunk(std::string& out, const std::string& keyword, const std::string& text) {
  const auto latin1_keyword = io::utf8_to_latin1(keyword);
  check(latin1_keyword && io::is_png_keyword(*latin1_keyword), "encode_png",
        "expected a text keyword of 1 to 79 printable Latin-1 characters without stray spaces, found \"{}\"",
        io::printable(keyword));
  check(io::is_utf8(text) && text.find('\0') == text.npos, "encode_png",
        "expected the text of \"{}\" to be UTF-8 without NUL characters", io::printable(keyword));
  std::string chunk = *latin1_keyword + '\0';
  if (const auto latin1_text = io::utf8_to_latin1(text)) {
    chunk = "tEXt" + chunk + *latin1_text;
  } else {
    // Behind the keyword: not compressed, method 0, no language, no translated keyword.
    chunk = "iTXt" + chunk + std::string(4, '\0') + text;
  }
  check(chunk.size() - 4 <= io::png_max_length, "encode_png",
        "expected the text of \"{}\" to have less than 2 GiB, found {}", io::printable(keyword), text.size());
  append_big_endian(out, static_cast<uint32_t>(chunk.size() - 4));
  out += chunk;
  append_big_endian(out, io::png_crc(chunk));
}

void check_size(const Image& image) {
  check(image.width > 0 && image.height > 0, "encode_png", "expected a width and height of 1 or more, found {} x {}",
        image.width, image.height);
  check(image.width < max_raw_bytes / 3 && image.height <= max_raw_bytes / (image.width * 3 + 1), "encode_png",
        "expected at most {} pixels, found {} x {}", max_raw_bytes / 3, image.width, image.height);
  check(image.pixels.size() == static_cast<size_t>(image.width * image.height * 3), "encode_png",
        "expected {} bytes of pixels for {} x {} RGB, found {}", image.width * image.height * 3, image.width,
        image.height, image.pixels.size());
}

}  // namespace

std::vector<uint8_t> encode_png(const Image& image, const ImageText& text) {
  check_size(image);
  std::string chunks;
  for (const auto& [keyword, value] : text) append_text_chunk(chunks, keyword, value);

  int size = 0;
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  const std::unique_ptr<unsigned char, decltype(&std::free)> png(
      stbi_write_png_to_mem(image.pixels.data(), width * 3, width, height, 3, &size), &std::free);
  if (!png) fail(ErrorCode::out_of_memory, "encode_png", "no memory for a picture of {} x {}", width, height);

  constexpr size_t text_at = io::png_signature.size() + io::png_chunk_overhead + io::png_header_bytes;
  std::vector<uint8_t> result(static_cast<size_t>(size) + chunks.size());
  auto end = std::copy_n(png.get(), text_at, result.begin());
  end = std::copy(chunks.begin(), chunks.end(), end);
  std::copy(png.get() + text_at, png.get() + size, end);
  return result;
}

void write_png(const std::filesystem::path& path, const Image& image, const ImageText& text) {
  const std::vector<uint8_t> bytes = encode_png(image, text);
  io::write_file_atomically(path, std::as_bytes(std::span(bytes)));
}

}  // namespace llmdit
