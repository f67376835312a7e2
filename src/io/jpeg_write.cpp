#include <jerror.h>

#include <new>

#include "io/exif.hpp"
#include "io/image_codec.hpp"
#include "io/jpeg.hpp"

namespace llmdit::io {
namespace {

constexpr size_t max_marker_bytes = 0xffff - 2;

/// Collects what libjpeg writes.
class JpegSink {
 public:
  JpegSink() {
    base_.init_destination = [](j_compress_ptr jpeg) { of(jpeg).reset(); };
    base_.empty_output_buffer = [](j_compress_ptr jpeg) -> boolean {
      JpegSink& self = of(jpeg);
      if (!self.append(sizeof(self.block_))) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
      self.reset();
      return TRUE;
    };
    base_.term_destination = [](j_compress_ptr jpeg) {
      JpegSink& self = of(jpeg);
      if (!self.append(sizeof(self.block_) - self.base_.free_in_buffer)) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    };
  }

  jpeg_destination_mgr* manager() { return &base_; }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  static JpegSink& of(j_compress_ptr jpeg) { return *reinterpret_cast<JpegSink*>(jpeg->dest); }

  void reset() {
    base_.next_output_byte = block_;
    base_.free_in_buffer = sizeof(block_);
  }

  bool append(size_t count) noexcept {
    try {
      bytes_.insert(bytes_.end(), block_, block_ + count);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  jpeg_destination_mgr base_{};  // first, so that libjpeg's pointer leads here
  std::vector<uint8_t> bytes_;
  uint8_t block_[1 << 16];
};

/// One libjpeg writer; see Note [Errors of C codecs].
class JpegEncoder {
 public:
  JpegEncoder() {
    jpeg_.err = errors_.use([](j_common_ptr, int) {});
  }
  ~JpegEncoder() { jpeg_destroy_compress(&jpeg_); }
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  std::vector<uint8_t> encode(const Image& image, std::string_view marker, int quality);

 private:
  void set_up(const Image& image, int quality);

  JpegErrors errors_;
  JpegSink sink_;
  jpeg_compress_struct jpeg_{};
};

void JpegEncoder::set_up(const Image& image, int quality) {
  jpeg_create_compress(&jpeg_);
  jpeg_.dest = sink_.manager();
  jpeg_.image_width = static_cast<JDIMENSION>(image.width);
  jpeg_.image_height = static_cast<JDIMENSION>(image.height);
  jpeg_.input_components = 3;
  jpeg_.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg_);
  jpeg_set_quality(&jpeg_, quality, TRUE);
  jpeg_.optimize_coding = TRUE;
  jpeg_.comp_info[0].h_samp_factor = jpeg_.comp_info[0].v_samp_factor = 1;  // colors at full resolution
}

std::vector<uint8_t> JpegEncoder::encode(const Image& image, std::string_view marker, int quality) {
  const bool done = run_guarded(errors_.failure, [&] {
    set_up(image, quality);
    jpeg_start_compress(&jpeg_, TRUE);
    if (!marker.empty()) {
      jpeg_write_marker(&jpeg_, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(marker.data()),
                        static_cast<unsigned>(marker.size()));
    }
    while (jpeg_.next_scanline < jpeg_.image_height) {
      auto* row = const_cast<JSAMPROW>(&image.pixels[size_t{jpeg_.next_scanline} * jpeg_.image_width * 3]);
      jpeg_write_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_compress(&jpeg_);
  });
  if (!done) fail(ErrorCode::out_of_memory, "encode_image", "no JPEG file: {}", errors_.failure.message);
  return sink_.take();
}

}  // namespace

std::vector<uint8_t> encode_jpeg(const Image& image, std::string_view exif, int quality) {
  check(image.width <= JPEG_MAX_DIMENSION && image.height <= JPEG_MAX_DIMENSION, "encode_image",
        "expected at most {} pixels a side for JPEG, got {} x {}", JPEG_MAX_DIMENSION, image.width, image.height);
  const std::string marker = exif.empty() ? "" : std::string(exif_prefix).append(exif);
  check(marker.size() <= max_marker_bytes, "encode_image",
        "expected texts of at most {} bytes for JPEG, got {}; write PNG or WebP, or leave them out", max_marker_bytes,
        marker.size());
  return JpegEncoder().encode(image, marker, quality);
}

}  // namespace llmdit::io
