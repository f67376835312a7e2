#include <utility>

#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

llmdit_text* find_text(const ImageText& texts, const char* keyword, std::string_view operation) {
  const std::string_view wanted = read_text(keyword, LLMDIT_NUL_TERMINATED, operation);
  const auto found = std::ranges::find(texts, wanted, &ImageText::value_type::first);
  if (found == texts.end())
    throw Error(ErrorCode::not_found, fmt::format("[{}] the picture has no text '{}'", operation, wanted));
  return make_text(found->second);
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

llmdit_status llmdit_image_encode(llmdit_text** bytes, const llmdit_image* image, const char* format,
                                  const int64_t* quality) {
  return guarded([&] {
    const char* operation = "image_encode";
    llmdit_text*& place = output(bytes, operation);
    const auto source = borrow(image, operation);
    const ImageFormat kind = parse_image_format(read_text(format, LLMDIT_NUL_TERMINATED, operation));
    check(!quality || (*quality >= 1 && *quality <= 100), operation, "expected a quality of 1 to 100, got {}",
          quality ? *quality : 0);
    const std::vector<uint8_t> encoded = encode_image(
        *source->value, kind, source->text, quality ? std::optional(static_cast<int>(*quality)) : std::nullopt);
    place = make_text({encoded.begin(), encoded.end()});
  });
}

llmdit_status llmdit_image_metadata(llmdit_text** text, const llmdit_image* image, const char* keyword) {
  return guarded([&] {
    llmdit_text*& place = output(text, "image_metadata");
    place = find_text(borrow(image, "image_metadata")->text, keyword, "image_metadata");
  });
}

llmdit_status llmdit_image_read_metadata(llmdit_text** text, const char* path, const char* keyword) {
  return guarded([&] {
    const char* operation = "image_read_metadata";
    llmdit_text*& place = output(text, operation);
    place = find_text(read_image_info(read_path(path, operation)).text, keyword, operation);
  });
}

void llmdit_image_free(llmdit_image* image) { free_handle(image); }
