#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "io/exif.hpp"
#include "io/image_codec.hpp"

namespace llmdit::io {
namespace {

WebPData data_of(const ImageSource& source) {
  return {reinterpret_cast<const uint8_t*>(source.bytes.data()), source.bytes.size()};
}

Exif exif_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  if (!WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) return {};
  const std::unique_ptr<WebPChunkIterator, decltype(&WebPDemuxReleaseChunkIterator)> guard(
      &chunk, &WebPDemuxReleaseChunkIterator);
  return read_exif({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
}

std::string_view status_text(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the file is cut off";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "the WebP data use a feature that is not supported";
    default:
      return "the WebP data are damaged";
  }
}

}  // namespace

ImageInfo read_webp_info(const ImageSource& source) {
  const WebPData data = data_of(source);
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), &WebPDemuxDelete);
  if (!demuxer) source.fail("the WebP data are damaged or cut off");
  const uint32_t flags = WebPDemuxGetI(demuxer.get(), WEBP_FF_FORMAT_FLAGS);
  if (flags & ANIMATION_FLAG) source.fail("expected one picture, found an animated WebP file; save one frame of it");
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data.bytes, data.size, &features);
  if (status != VP8_STATUS_OK) source.fail(status_text(status));
  Exif exif = exif_of(demuxer.get());
  return {.format = ImageFormat::webp,
          .width = features.width,
          .height = features.height,
          .color = "RGB",
          .bit_depth = 8,
          .has_alpha = features.has_alpha != 0,
          .orientation = exif.orientation,
          .text = std::move(exif.text)};
}

Raster read_webp(const ImageSource& source, int64_t max_pixels) {
  const ImageInfo info = read_webp_info(source);
  Raster raster{
      .width = info.width, .height = info.height, .channels = info.has_alpha ? 4 : 3, .orientation = info.orientation};
  raster.check_size(source, max_pixels);
  raster.allocate();

  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) fail(ErrorCode::internal, "image", "libwebp is of another version");
  config.output.colorspace = info.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {raster.samples.data(), static_cast<int>(raster.width * raster.channels),
                          raster.samples.size()};
  const WebPData data = data_of(source);
  const VP8StatusCode status = WebPDecode(data.bytes, data.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OUT_OF_MEMORY) fail(ErrorCode::out_of_memory, "image", "no memory to read {}", source.name);
  if (status != VP8_STATUS_OK) source.fail(status_text(status));
  return raster;
}

}  // namespace llmdit::io
