#include <png.h>

#include "io/image_codec.hpp"
#include "io/image_guard.hpp"
#include "io/png.hpp"

namespace llmdit::io {
namespace {

/// One libpng reader; see Note [Errors of C codecs].
class PngDecoder {
 public:
  explicit PngDecoder(const ImageSource& source) : source_(source), rest_(source.bytes) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Raster read(int64_t max_pixels);

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    static_cast<CodecFailure*>(png_get_error_ptr(png))->raise(message);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void take_bytes(png_structp png, png_bytep out, size_t count);

  template <class Calls>
  void run(const Calls& calls) {
    if (!run_guarded(failure_, calls)) source_.fail(fmt::format("the PNG data are damaged: {}", failure_.message));
  }

  void open();
  void read_header(Raster& raster);

  const ImageSource& source_;
  std::string_view rest_;
  CodecFailure failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

void PngDecoder::take_bytes(png_structp png, png_bytep out, size_t count) {
  auto& rest = *static_cast<std::string_view*>(png_get_io_ptr(png));
  if (count > rest.size()) png_error(png, "the file is cut off");
  std::memcpy(out, rest.data(), count);
  rest.remove_prefix(count);
}

void PngDecoder::open() {
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, &on_error, &on_warning);
  info_ = png_ ? png_create_info_struct(png_) : nullptr;
  if (!info_) fail(ErrorCode::out_of_memory, "image", "no memory to read {}", source_.name);
  png_set_read_fn(png_, &rest_, &take_bytes);
}

void PngDecoder::read_header(Raster& raster) {
  run([&] {
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // Raster::check_size has been asked
    // Of ancillary chunks only tRNS matters here.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes, fewer than 8 bits, and tRNS as alpha
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    raster.channels = png_get_channels(png_, info_);
  });
}

Raster PngDecoder::read(int64_t max_pixels) {
  const ImageInfo header = check_png(source_);
  Raster raster{.width = header.width, .height = header.height, .orientation = header.orientation};
  raster.check_size(source_, max_pixels);
  open();
  read_header(raster);
  raster.allocate();
  run([&] {
    for (int pass = 0; pass < passes_; ++pass) {
      for (int64_t y = 0; y < raster.height; ++y) png_read_row(png_, raster.row(y), nullptr);
    }
    png_read_end(png_, nullptr);
  });
  return raster;
}

}  // namespace

Raster read_png(const ImageSource& source, int64_t max_pixels) { return PngDecoder(source).read(max_pixels); }

}  // namespace llmdit::io
