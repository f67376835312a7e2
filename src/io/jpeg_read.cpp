#include <cstdio>  // jpeglib.h needs FILE

#include <jerror.h>
#include <jpeglib.h>

#include "io/exif.hpp"
#include "io/image_codec.hpp"
#include "io/jpeg.hpp"

namespace llmdit::io {
namespace {

constexpr int exif_marker = JPEG_APP0 + 1;
constexpr int max_scans = 200;  // small files can ask for so many passes over large pictures that reading never ends

/// What does no harm to the pixels; every other warning of libjpeg is about damaged or missing data.
bool is_harmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JFIF_MAJOR || warning == JWRN_BOGUS_ICC ||
         warning == JWRN_ADOBE_XFORM;
}

void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && !is_harmless(jpeg->err->msg_code)) jpeg->err->error_exit(jpeg);
}

/// One libjpeg reader; see Note [Errors of C codecs].
class JpegDecoder {
 public:
  explicit JpegDecoder(const ImageSource& source) : source_(source) {
    jpeg_.err = errors_.use(&on_message);
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > max_scans) {
        JpegErrors::of(jpeg).failure.raise("it has too many scans");
      }
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  ImageInfo read_info();
  Raster read(int64_t max_pixels);

 private:
  template <class Calls>
  void run(const Calls& calls) {
    if (!run_guarded(errors_.failure, calls)) {
      source_.fail(fmt::format("the JPEG data are damaged or not supported: {}", errors_.failure.message));
    }
  }

  void read_header();
  bool is_cmyk() const { return jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK; }
  Exif exif() const;
  void read_rgb(Raster& raster);
  void read_cmyk(Raster& raster);

  const ImageSource& source_;
  JpegErrors errors_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct jpeg_{};
};

void JpegDecoder::read_header() {
  run([&] {
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_save_markers(&jpeg_, exif_marker, 0xffff);
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(source_.bytes.data()), source_.bytes.size());
    jpeg_read_header(&jpeg_, TRUE);
  });
  if (jpeg_.jpeg_color_space == JCS_UNKNOWN) {
    source_.fail(fmt::format("expected a gray, RGB or CMYK JPEG picture, found {} channels of unknown meaning",
                             jpeg_.num_components));
  }
}

Exif JpegDecoder::exif() const {
  for (const jpeg_marker_struct* marker = jpeg_.marker_list; marker; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker == exif_marker && data.starts_with(exif_prefix)) return read_exif(data);
  }
  return {};
}

ImageInfo JpegDecoder::read_info() {
  read_header();
  Exif found = exif();
  return {.format = ImageFormat::jpeg,
          .width = jpeg_.image_width,
          .height = jpeg_.image_height,
          .color = is_cmyk()                                 ? "CMYK"
                   : jpeg_.jpeg_color_space == JCS_GRAYSCALE ? "gray"
                                                             : "RGB",
          .bit_depth = jpeg_.data_precision,
          .orientation = found.orientation,
          .text = std::move(found.text)};
}

void JpegDecoder::read_rgb(Raster& raster) {
  run([&] {
    jpeg_.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = raster.row(jpeg_.output_scanline);
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
  });
}

/// Files with Adobe's marker hold inverted ink: 255 is none.
void JpegDecoder::read_cmyk(Raster& raster) {
  std::vector<uint8_t> inks(static_cast<size_t>(raster.width) * 4);
  run([&] {
    jpeg_.out_color_space = JCS_CMYK;
    jpeg_start_decompress(&jpeg_);
    const int inversion = jpeg_.saw_Adobe_marker ? 0 : 255;
    while (jpeg_.output_scanline < jpeg_.output_height) {
      uint8_t* out = raster.row(jpeg_.output_scanline);
      JSAMPROW row = inks.data();
      jpeg_read_scanlines(&jpeg_, &row, 1);
      for (const uint8_t* in = row; in < row + inks.size(); in += 4) {
        for (int c = 0; c < 3; ++c) {
          *out++ = static_cast<uint8_t>(((in[c] ^ inversion) * (in[3] ^ inversion) + 127) / 255);
        }
      }
    }
    jpeg_finish_decompress(&jpeg_);
  });
}

Raster JpegDecoder::read(int64_t max_pixels) {
  read_header();
  Raster raster{.width = jpeg_.image_width, .height = jpeg_.image_height, .orientation = exif().orientation};
  raster.check_size(source_, max_pixels);
  raster.allocate();
  is_cmyk() ? read_cmyk(raster) : read_rgb(raster);
  return raster;
}

}  // namespace

Raster read_jpeg(const ImageSource& source, int64_t max_pixels) { return JpegDecoder(source).read(max_pixels); }

ImageInfo read_jpeg_info(const ImageSource& source) { return JpegDecoder(source).read_info(); }

}  // namespace llmdit::io
