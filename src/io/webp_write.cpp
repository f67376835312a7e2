#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "io/image_codec.hpp"

namespace llmdit::io {
namespace {

constexpr int lossless_quality = 100;
constexpr float lossless_effort = 75;  // 0 fast to 100 small

[[noreturn]] void fail_encoding(WebPEncodingError error) {
  switch (error) {
    case VP8_ENC_ERROR_OUT_OF_MEMORY:
    case VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY:
      fail(ErrorCode::out_of_memory, "encode_image", "no memory for a WebP file");
    case VP8_ENC_ERROR_PARTITION0_OVERFLOW:
    case VP8_ENC_ERROR_PARTITION_OVERFLOW:
    case VP8_ENC_ERROR_FILE_TOO_BIG:
      fail(ErrorCode::invalid_argument, "encode_image", "expected a picture that WebP can hold; lower the quality");
    default:
      fail(ErrorCode::internal, "encode_image", "libwebp failed with code {}", static_cast<int>(error));
  }
}

void check_mux(WebPMuxError status) {
  if (status == WEBP_MUX_OK) return;
  fail(ErrorCode::out_of_memory, "encode_image", "no memory for the texts of a WebP file");
}

WebPConfig config_for(int quality) {
  WebPConfig config;
  if (!WebPConfigInit(&config)) fail(ErrorCode::internal, "encode_image", "libwebp is of another version");
  config.lossless = quality == lossless_quality;
  config.quality = config.lossless ? lossless_effort : static_cast<float>(quality);
  config.use_sharp_yuv = 1;  // colors are stored at half resolution; this keeps their edges
  return config;
}

std::vector<uint8_t> encode_pixels(const Image& image, int quality) {
  const WebPConfig config = config_for(quality);
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  const std::unique_ptr<WebPMemoryWriter, decltype(&WebPMemoryWriterClear)> writer_guard(&writer,
                                                                                         &WebPMemoryWriterClear);
  WebPPicture picture;
  if (!WebPPictureInit(&picture)) fail(ErrorCode::internal, "encode_image", "libwebp is of another version");
  const std::unique_ptr<WebPPicture, decltype(&WebPPictureFree)> picture_guard(&picture, &WebPPictureFree);
  picture.use_argb = 1;
  picture.width = static_cast<int>(image.width);
  picture.height = static_cast<int>(image.height);
  picture.writer = &WebPMemoryWrite;
  picture.custom_ptr = &writer;
  const bool done = WebPPictureImportRGB(&picture, image.pixels.data(), static_cast<int>(image.width * 3)) &&
                    WebPEncode(&config, &picture);
  if (!done) fail_encoding(picture.error_code);
  return {writer.mem, writer.mem + writer.size};
}

/// The same picture in a file that holds `exif` too.
std::vector<uint8_t> with_exif(const std::vector<uint8_t>& webp, std::string_view exif) {
  const WebPData data{webp.data(), webp.size()};
  const WebPData chunk{reinterpret_cast<const uint8_t*>(exif.data()), exif.size()};
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&data, /*copy_data=*/0), &WebPMuxDelete);
  check_mux(mux ? WebPMuxSetChunk(mux.get(), "EXIF", &chunk, /*copy_data=*/0) : WEBP_MUX_MEMORY_ERROR);
  WebPData whole;
  WebPDataInit(&whole);
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> guard(&whole, &WebPDataClear);
  check_mux(WebPMuxAssemble(mux.get(), &whole));
  return {whole.bytes, whole.bytes + whole.size};
}

}  // namespace

std::vector<uint8_t> encode_webp(const Image& image, std::string_view exif, int quality) {
  check(image.width <= WEBP_MAX_DIMENSION && image.height <= WEBP_MAX_DIMENSION, "encode_image",
        "expected at most {} pixels a side for WebP, got {} x {}", WEBP_MAX_DIMENSION, image.width, image.height);
  std::vector<uint8_t> webp = encode_pixels(image, quality);
  return exif.empty() ? webp : with_exif(webp, exif);
}

}  // namespace llmdit::io
