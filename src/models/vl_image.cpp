#include "llmdit/vl_image.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/model_config.hpp"

namespace llmdit {
namespace {

constexpr int64_t largest_side = int64_t{1} << 20;
constexpr int64_t largest_area = int64_t{1} << 40;

/// The bounds stand as "size" {shortest_edge, longest_edge}, which are areas whatever they are called, as "size"
/// {min_pixels, max_pixels}, or beside it; what stands beside it wins.
void read_bounds(const io::JsonObject& json, VLImageOptions& options) {
  if (json.has("size")) {
    const io::JsonObject size = json.object("size");
    for (const char* key : {"min_pixels", "shortest_edge"})
      options.min_pixels = io::positive_or(size, key, options.min_pixels);
    for (const char* key : {"max_pixels", "longest_edge"})
      options.max_pixels = io::positive_or(size, key, options.max_pixels);
  }
  options.min_pixels = io::positive_or(json, "min_pixels", options.min_pixels);
  options.max_pixels = io::positive_or(json, "max_pixels", options.max_pixels);
}

void refuse_unhandled(const io::JsonObject& json) {
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) io::expect_value(json, key, true);
  io::expect_value(json, "resample", int64_t{3});  // Pillow's number of the bicubic filter
  constexpr double unit = 1.0 / 255;
  const double factor = json.get_or<double>("rescale_factor", unit);
  if (std::abs(factor - unit) > 1e-9) {
    fail(ErrorCode::unsupported, "config", "expected rescale_factor in {} to be 1/255, found {}",
         io::printable_path(json.path()), factor);
  }
}

void check_options(const VLImageOptions& options) {
  check(options.patch_size >= 1 && options.patch_size <= 1024 && options.merge_size >= 1 && options.merge_size <= 64 &&
            options.temporal_patch_size >= 1 && options.temporal_patch_size <= 64,
        "image_processor",
        "expected sizes of 1 to 1024 pixels and 1 to 64 patches, got patches of {} x {} pixels in "
        "blocks of {} and {} frames",
        options.patch_size, options.patch_size, options.merge_size, options.temporal_patch_size);
  const auto is_positive = [](double value) { return std::isfinite(value) && value > 0; };
  check(options.image_mean.size() == 3 && options.image_std.size() == 3 &&
            std::ranges::all_of(options.image_mean, [](double value) { return std::isfinite(value); }) &&
            std::ranges::all_of(options.image_std, is_positive),
        "image_processor", "expected three numbers of image_mean and three above 0 of image_std, got [{}] and [{}]",
        fmt::join(options.image_mean, ", "), fmt::join(options.image_std, ", "));
}

/// To the nearest whole number, halves to the even one.
int64_t nearest_even(int64_t value, int64_t divisor) {
  const int64_t down = value / divisor, twice = 2 * (value % divisor);
  return down + (twice > divisor || (twice == divisor && down % 2 == 1));
}

at::Tensor channels_first(const Image& image) {
  check(image.width >= 1 && image.height >= 1 &&
            image.pixels.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3,
        "image_processor", "expected three bytes for each of {} x {} pixels, got {} bytes", image.width, image.height,
        image.pixels.size());
  const at::Tensor pixels =
      at::from_blob(const_cast<uint8_t*>(image.pixels.data()), {image.height, image.width, 3}, at::kByte);
  return pixels.permute({2, 0, 1}).contiguous();
}

/// [3, height, width] in 0..255 to (x / 255 - mean) / std, as float32 with the factor 255 taken into both.
at::Tensor normalize(const at::Tensor& pixels, const VLImageOptions& options) {
  const auto channels = [](const std::vector<double>& values) {
    return (at::tensor(at::ArrayRef<double>(values)).to(at::kFloat) * 255.0).view({3, 1, 1});
  };
  return pixels.to(at::kFloat).sub_(channels(options.image_mean)).div_(channels(options.image_std));
}

/// [3, height, width] to rows in the order of merge blocks, of patches inside a block; columns are channel, frame, row,
/// column.
at::Tensor patchify(const at::Tensor& pixels, const VLImageOptions& o) {
  const int64_t rows = pixels.size(1) / o.patch_size, columns = pixels.size(2) / o.patch_size, m = o.merge_size;
  const at::Tensor blocks =
      pixels.view({3, rows / m, m, o.patch_size, columns / m, m, o.patch_size}).permute({1, 4, 2, 5, 0, 3, 6});
  return blocks.unsqueeze(5)
      .expand({-1, -1, -1, -1, -1, o.temporal_patch_size, -1, -1})
      .reshape({rows * columns, 3 * o.temporal_patch_size * o.patch_size * o.patch_size});
}

}  // namespace

VLImageOptions VLImageOptions::load(const std::filesystem::path& path) {
  return translate_errors("image_processor", [&] {
    const io::JsonObject json = io::read_config(path, "preprocessor_config.json");
    refuse_unhandled(json);
    VLImageOptions options;
    options.patch_size = io::positive_or(json, "patch_size", options.patch_size);
    options.temporal_patch_size = io::positive_or(json, "temporal_patch_size", options.temporal_patch_size);
    options.merge_size = io::positive_or(json, "merge_size", options.merge_size);
    read_bounds(json, options);
    options.image_mean = json.get_or("image_mean", options.image_mean);
    options.image_std = json.get_or("image_std", options.image_std);
    check_options(options);
    return options;
  });
}

PictureSides smart_resize(int64_t height, int64_t width, int64_t factor, int64_t min_pixels, int64_t max_pixels) {
  check(height >= 1 && width >= 1 && height <= largest_side && width <= largest_side, "smart_resize",
        "expected sides of 1 to {} pixels, got {} x {}", largest_side, width, height);
  check(factor >= 1 && factor <= 65536, "smart_resize", "expected a factor of 1 to 65536 pixels, got {}", factor);
  check(min_pixels >= 1 && max_pixels <= largest_area && min_pixels <= max_pixels, "smart_resize",
        "expected 1 <= min_pixels <= max_pixels <= {}, got {} and {}", largest_area, min_pixels, max_pixels);
  constexpr int64_t most_stretched = 200;
  check(std::max(height, width) <= most_stretched * std::min(height, width), "smart_resize",
        "expected sides of at most 1 to {}, got {} x {}; cut the picture", most_stretched, width, height);
  PictureSides sides{nearest_even(height, factor) * factor, nearest_even(width, factor) * factor};
  const auto h = static_cast<double>(height), w = static_cast<double>(width), f = static_cast<double>(factor);
  const auto whole = [&](double blocks) { return static_cast<int64_t>(blocks) * factor; };
  if (sides.height * sides.width > max_pixels) {
    const double beta = std::sqrt(h * w / static_cast<double>(max_pixels));
    sides.height = std::max(factor, whole(std::floor(h / beta / f)));
    sides.width = std::max(factor, whole(std::floor(w / beta / f)));
  } else if (sides.height * sides.width < min_pixels) {
    const double beta = std::sqrt(static_cast<double>(min_pixels) / (h * w));
    sides.height = whole(std::ceil(h * beta / f));
    sides.width = whole(std::ceil(w * beta / f));
  }
  return sides;
}

PixelValues preprocess_image(const Image& image, const VLImageOptions& options) {
  return translate_errors("image_processor", [&] {
    check_options(options);
    at::Tensor pixels = channels_first(image);
    const PictureSides sides =
        smart_resize(image.height, image.width, options.factor(), options.min_pixels, options.max_pixels);
    check(sides.height * sides.width <= ReadImageOptions{}.max_pixels, "image_processor",
          "expected at most {} pixels of the resized picture, got {} x {}; lower max_pixels",
          ReadImageOptions{}.max_pixels, sides.width, sides.height);
    if (sides != PictureSides{image.height, image.width}) {
      // Rounded to 8 bits after each axis, as the reference has it.
      pixels = at::_upsample_bicubic2d_aa(pixels.unsqueeze(0), {sides.height, sides.width}, /*align_corners=*/false)[0];
    }
    return PixelValues{.pixel_values = patchify(normalize(pixels, options), options),
                       .grid_thw = {1, sides.height / options.patch_size, sides.width / options.patch_size}};
  });
}

}  // namespace llmdit
