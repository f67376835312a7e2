#include <zlib.h>

#include <algorithm>
#include <cctype>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/exif.hpp"
#include "io/image_codec.hpp"
#include "io/png.hpp"

namespace llmdit::io {
namespace {

constexpr size_t max_inflated_bytes = size_t{64} << 20;  // of all compressed texts of a file together

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

/// Walks the chunks of one file; every complaint names the file.
class PngReader {
 public:
  PngReader(const ImageSource& source, bool with_text) : source_(source), rest_(source.bytes), with_text_(with_text) {}

  ImageInfo read();

 private:
  struct Chunk {
    std::string_view type;
    std::string_view data;
  };

  [[noreturn]] void fail_png(std::string_view problem) const { source_.fail(problem); }

  Chunk next_chunk();
  void read_header(const Chunk& chunk);
  void read_chunk(const Chunk& chunk);
  void read_text(const Chunk& chunk);
  void read_compressed_text(const Chunk& chunk);
  void read_international_text(const Chunk& chunk);
  void add_text(std::string_view keyword, std::string text);
  std::string inflate(std::string_view data);

  /// What stands before the next NUL, which is passed over too.
  std::string_view take_field(std::string_view& data, const Chunk& chunk) const {
    const size_t end = data.find('\0');
    if (end == data.npos) fail_png(fmt::format("a {} chunk ends too early", chunk.type));
    const std::string_view field = data.substr(0, end);
    data.remove_prefix(end + 1);
    return field;
  }

  const ImageSource& source_;
  std::string_view rest_;
  bool with_text_;
  size_t inflated_bytes_ = 0;
  ImageInfo info_{.format = ImageFormat::png};
};

PngReader::Chunk PngReader::next_chunk() {
  const size_t at = source_.bytes.size() - rest_.size();
  if (rest_.size() < png_chunk_overhead) {
    fail_png(fmt::format("the file is cut off: expected another chunk at byte {}, found the end", at));
  }
  const uint32_t length = big_endian(rest_);
  const Chunk chunk{rest_.substr(4, 4), rest_.substr(8, length)};
  const bool is_named = std::all_of(chunk.type.begin(), chunk.type.end(),
                                    [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
  if (!is_named || length > png_max_length) fail_png(fmt::format("expected a chunk at byte {}, found other data", at));
  if (length > rest_.size() - png_chunk_overhead) {
    fail_png(fmt::format("the file is cut off: expected at least {} bytes for its {} chunk, found {}",
                         at + png_chunk_overhead + length, chunk.type, source_.bytes.size()));
  }
  if (png_crc(rest_.substr(4, 4 + length)) != big_endian(rest_.substr(8 + length))) {
    fail_png(fmt::format("the {} chunk at byte {} is damaged: its checksum differs", chunk.type, at));
  }
  rest_.remove_prefix(png_chunk_overhead + length);
  return chunk;
}

void PngReader::read_header(const Chunk& chunk) {
  if (chunk.type != "IHDR" || chunk.data.size() != png_header_bytes) {
    fail_png(fmt::format("expected an IHDR chunk of {} bytes first, found {} of {}", png_header_bytes, chunk.type,
                         chunk.data.size()));
  }
  info_.width = big_endian(chunk.data);
  info_.height = big_endian(chunk.data.substr(4));
  info_.bit_depth = static_cast<uint8_t>(chunk.data[8]);
  const int color_type = static_cast<uint8_t>(chunk.data[9]);
  if (std::min(info_.width, info_.height) < 1 || std::max(info_.width, info_.height) > png_max_length) {
    fail_png(fmt::format("expected a width and height of 1 to 2^31 - 1, found {} x {}", info_.width, info_.height));
  }
  // Bit depths that each color type may have, as a sum of powers of two; no types 1 and 5.
  constexpr int depths[] = {1 | 2 | 4 | 8 | 16, 0, 8 | 16, 1 | 2 | 4 | 8, 8 | 16, 0, 8 | 16};
  const bool is_power = info_.bit_depth != 0 && (info_.bit_depth & (info_.bit_depth - 1)) == 0;
  if (color_type > 6 || !is_power || (depths[color_type] & info_.bit_depth) == 0) {
    fail_png(fmt::format("no PNG has color type {} with bit depth {}", color_type, info_.bit_depth));
  }
  if (chunk.data[10] != 0 || chunk.data[11] != 0 || static_cast<uint8_t>(chunk.data[12]) > 1) {
    fail_png("unknown compression, filter or interlace method");
  }
  constexpr const char* colors[] = {"gray", "", "RGB", "palette", "gray", "", "RGB"};
  info_.color = colors[color_type];
  info_.has_alpha = color_type >= 4;
}

void PngReader::add_text(std::string_view keyword, std::string text) {
  if (!is_png_keyword(keyword)) {
    fail_png(fmt::format("\"{}\" is no keyword of a text", printable(latin1_to_utf8(keyword))));
  }
  info_.text.emplace_back(latin1_to_utf8(keyword), std::move(text));
}

void PngReader::read_text(const Chunk& chunk) {
  std::string_view data = chunk.data;
  const std::string_view keyword = take_field(data, chunk);
  add_text(keyword, latin1_to_utf8(data));
}

void PngReader::read_compressed_text(const Chunk& chunk) {
  std::string_view data = chunk.data;
  const std::string_view keyword = take_field(data, chunk);
  if (data.empty() || data[0] != 0) fail_png("unknown compression method of a zTXt chunk");
  add_text(keyword, latin1_to_utf8(inflate(data.substr(1))));
}

void PngReader::read_international_text(const Chunk& chunk) {
  std::string_view data = chunk.data;
  const std::string_view keyword = take_field(data, chunk);
  if (data.size() < 2 || static_cast<uint8_t>(data[0]) > 1 || (data[0] == 1 && data[1] != 0)) {
    fail_png("unknown compression of an iTXt chunk");
  }
  const bool is_compressed = data[0] == 1;
  data.remove_prefix(2);
  take_field(data, chunk);  // language
  take_field(data, chunk);  // translated keyword
  std::string text = is_compressed ? inflate(data) : std::string(data);
  if (!is_utf8(text)) fail_png(fmt::format("the text of \"{}\" is not UTF-8", printable(latin1_to_utf8(keyword))));
  add_text(keyword, std::move(text));
}

std::string PngReader::inflate(std::string_view data) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) fail(ErrorCode::out_of_memory, "image", "no memory for a compressed text");
  const struct Guard {
    z_stream& stream;
    ~Guard() { inflateEnd(&stream); }
  } guard{stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  std::string result;
  int status = Z_OK;
  while (status == Z_OK) {
    char block[16384];
    stream.next_out = reinterpret_cast<Bytef*>(block);
    stream.avail_out = sizeof(block);
    status = ::inflate(&stream, Z_NO_FLUSH);
    const size_t produced = sizeof(block) - stream.avail_out;
    inflated_bytes_ += produced;
    if (inflated_bytes_ > max_inflated_bytes) {
      fail_png(fmt::format("its compressed texts grow beyond {} bytes", max_inflated_bytes));
    }
    result.append(block, produced);
  }
  if (status != Z_STREAM_END) fail_png("a compressed text is damaged");
  return result;
}

void PngReader::read_chunk(const Chunk& chunk) {
  if (chunk.type == "IHDR") fail_png("found a second IHDR chunk");
  if (chunk.type == "tRNS") info_.has_alpha = true;
  if (chunk.type == "eXIf") info_.orientation = read_exif(chunk.data).orientation;
  if (!with_text_) return;
  if (chunk.type == "tEXt") read_text(chunk);
  if (chunk.type == "zTXt") read_compressed_text(chunk);
  if (chunk.type == "iTXt") read_international_text(chunk);
}

ImageInfo PngReader::read() {
  if (!rest_.starts_with(png_signature)) fail_png("expected the signature of a PNG file, found other data");
  rest_.remove_prefix(png_signature.size());
  read_header(next_chunk());
  bool has_pixels = false;
  for (Chunk chunk = next_chunk(); chunk.type != "IEND"; chunk = next_chunk()) {
    has_pixels |= chunk.type == "IDAT";
    read_chunk(chunk);
  }
  if (!has_pixels) fail_png("expected an IDAT chunk, found none");
  return std::move(info_);
}

}  // namespace

ImageInfo read_png_info(const ImageSource& source) { return PngReader(source, /*with_text=*/true).read(); }

ImageInfo check_png(const ImageSource& source) { return PngReader(source, /*with_text=*/false).read(); }

}  // namespace llmdit::io
