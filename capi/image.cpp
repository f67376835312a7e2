#include <utility>

#include "capi/handles.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

llmdit_image* make_image(Image image) {
  return make_handle(llmdit_image{std::make_shared<const Image>(std::move(image)), {}});
}

/// NULL would be another path for the library: the empty one.
std::filesystem::path read_path(const char* path, std::string_view operation) {
  check(path != nullptr, operation, "expected a path, got NULL");
  return path;
}

}  // namespace

llmdit_status llmdit_image_from_pixels(llmdit_image** image, const uint8_t* pixels, int64_t width, int64_t height) {
  return guarded([&] {
    const char* operation = "image_from_pixels";
    llmdit_image*& place = output(image, operation);
    check(pixels != nullptr, operation, "expected pixels, got NULL");
    check(width > 0 && height > 0 && width <= ReadImageOptions{}.max_pixels / height, operation,
          "expected a picture of 1 to {} pixels, got {} x {}", ReadImageOptions{}.max_pixels, width, height);
    place = make_image({.width = width, .height = height, .pixels = {pixels, pixels + width * height * 3}});
  });
}

llmdit_status llmdit_image_read(llmdit_image** image, const char* path) {
  return guarded([&] {
    llmdit_image*& place = output(image, "image_read");
    place = make_image(read_image(read_path(path, "image_read")));
  });
}

llmdit_status llmdit_image_decode(llmdit_image** image, const uint8_t* bytes, size_t size) {
  return guarded([&] {
    llmdit_image*& place = output(image, "image_decode");
    check(bytes != nullptr, "image_decode", "expected the bytes of a picture file, got NULL");
    place = make_image(decode_image({bytes, size}));
  });
}

llmdit_status llmdit_image_resize(llmdit_image** resized, const llmdit_image* image, int64_t width, int64_t height) {
  return guarded([&] {
    llmdit_image*& place = output(resized, "image_resize");
    place = make_image(resize_image(*borrow(image, "image_resize")->value, width, height));
  });
}

int64_t llmdit_image_width(const llmdit_image* image) {
  return guarded_value<int64_t>(0, [&] { return borrow(image, "image_width")->value->width; });
}

int64_t llmdit_image_height(const llmdit_image* image) {
  return guarded_value<int64_t>(0, [&] { return borrow(image, "image_height")->value->height; });
}

const uint8_t* llmdit_image_pixels(const llmdit_image* image) {
  return guarded_value<const uint8_t*>(nullptr, [&] { return borrow(image, "image_pixels")->value->pixels.data(); });
}

llmdit_status llmdit_image_write(const llmdit_image* image, const char* path) {
  return guarded([&] {
    const auto source = borrow(image, "image_write");
    write_image(read_path(path, "image_write"), *source->value, source->text);
  });
}

llmdit_status llmdit_image_write_png(const llmdit_image* image, const char* path) {
  return guarded([&] {
    const auto source = borrow(image, "image_write_png");
    write_png(read_path(path, "image_write_png"), *source->value);
  });
}

void llmdit_image_free(llmdit_image* image) { free_handle(image); }
