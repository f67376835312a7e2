#include "pipeline/source_picture.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "io/image_resize.hpp"

namespace llmdit {
namespace {

struct Margins {
  int64_t left = 0, top = 0, right = 0, bottom = 0;
};

Margins margins_of(const GenerateOptions& options) {
  const auto& added = options.outpaint;
  if (added.empty()) return {};
  check(added.size() == 4 && std::ranges::all_of(added, [](double n) { return n >= 0 && n == std::floor(n); }),
        "outpaint", "expected four whole numbers of pixels, for left, top, right and bottom, got [{}]",
        fmt::join(added, ", "));
  check(std::ranges::any_of(added, [](double n) { return n > 0; }), "outpaint",
        "expected pixels on at least one side, got none");
  const auto whole = [&](size_t side) { return static_cast<int64_t>(added[side]); };
  return {.left = whole(0), .top = whole(1), .right = whole(2), .bottom = whole(3)};
}

void check_image(const Image& image, const char* name) {
  check(image.width >= 1 && image.height >= 1 &&
            image.pixels.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3,
        name, "expected three bytes for each of {} x {} pixels, got {} bytes", image.width, image.height,
        image.pixels.size());
}

at::Tensor from_image(const Image& image, const char* name) {
  check_image(image, name);
  return at::from_blob(const_cast<uint8_t*>(image.pixels.data()), {image.height, image.width, 3}, at::kByte).clone();
}

/// A tensor of the caller as [channels, height, width].
at::Tensor without_batch(const at::Tensor& given, int64_t channels, const char* name) {
  at::Tensor pixels = given;
  if (pixels.defined() && pixels.dim() == 4 && pixels.size(0) == 1) pixels = pixels[0];
  if (pixels.defined() && channels == 1 && pixels.dim() == 2) pixels = pixels.unsqueeze(0);
  check(pixels.defined() && pixels.dim() == 3 && pixels.size(0) == channels && pixels.numel() > 0 &&
            pixels.is_floating_point(),
        name, "expected floating-point pixels of [{}, height, width], got {}", channels,
        given.defined() ? fmt::format("{} of [{}]", c10::toString(given.scalar_type()), fmt::join(given.sizes(), ", "))
                        : "an empty tensor");
  return pixels;
}

at::Tensor from_tensor(const at::Tensor& given, int64_t channels, const char* name) {
  at::Tensor pixels = without_batch(given, channels, name);
  pixels = pixels.to(at::kCPU, at::kFloat).permute({1, 2, 0}).contiguous();
  const auto [least, most] = at::aminmax(pixels);
  check(least.item<float>() >= 0 && most.item<float>() <= 1, name, "expected pixels in 0..1, got {} to {}",
        least.item<float>(), most.item<float>());
  return pixels;
}

/// [height, width, channels], uint8 or float32.
at::Tensor samples_of(const PictureInput& input, int64_t channels, const char* name) {
  if (const auto* image = std::get_if<Image>(&input)) return from_image(*image, name);
  return from_tensor(std::get<at::Tensor>(input), channels, name);
}

PictureSize size_of(const at::Tensor& samples) { return {.width = samples.size(1), .height = samples.size(0)}; }

/// Without a look at the pixels.
PictureSize size_of_input(const PictureInput& input, const char* name) {
  if (const auto* image = std::get_if<Image>(&input)) {
    check_image(*image, name);
    return {.width = image->width, .height = image->height};
  }
  const at::Tensor pixels = without_batch(std::get<at::Tensor>(input), 3, name);
  return {.width = pixels.size(2), .height = pixels.size(1)};
}

template <class Sample>
at::Tensor resize_as(const at::Tensor& samples, const PictureSize& size) {
  const std::span<const Sample> data(samples.const_data_ptr<Sample>(), static_cast<size_t>(samples.numel()));
  const io::PictureShape from{.height = samples.size(0), .width = samples.size(1), .channels = samples.size(2)};
  std::vector<Sample> resized = io::resize_lanczos(data, from, size.height, size.width);
  return at::from_blob(resized.data(), {size.height, size.width, from.channels}, samples.options()).clone();
}

at::Tensor resize(const at::Tensor& samples, const PictureSize& size) {
  if (size_of(samples) == size) return samples;
  if (samples.scalar_type() == at::kByte) return resize_as<uint8_t>(samples, size);
  return resize_as<float>(samples, size).clamp_(0.0, 1.0);
}

/// Continues the picture's edge into the margins.
at::Tensor extend(const at::Tensor& samples, const Margins& add) {
  const auto index = [](int64_t before, int64_t length, int64_t after) {
    return at::arange(-before, length + after).clamp_(0, length - 1);
  };
  return samples.index_select(0, index(add.top, samples.size(0), add.bottom))
      .index_select(1, index(add.left, samples.size(1), add.right));
}

/// The mask with everything outside the picture to be painted.
at::Tensor extend_mask(const at::Tensor& samples, const Margins& add) {
  const double white = samples.scalar_type() == at::kByte ? 255 : 1;
  return at::constant_pad_nd(samples, {0, 0, add.left, add.right, add.top, add.bottom}, white).contiguous();
}

/// Float pixels in 0..1 of uint8 or float samples.
at::Tensor unit_range(const at::Tensor& samples) {
  return samples.scalar_type() == at::kByte ? samples.to(at::kFloat) / 255.0 : samples;
}

/// [height, width] in 0..1: the luma that Pillow gives a picture of 8 bits.
at::Tensor luma(const at::Tensor& samples) {
  if (samples.size(2) == 1) return samples.select(2, 0);
  const at::Tensor rgb = samples.to(at::kInt);
  const auto channel = [&](int64_t i) { return rgb.select(2, i); };
  const at::Tensor sum = channel(0) * 19595 + channel(1) * 38470 + channel(2) * 7471 + 32768;
  return unit_range(at::bitwise_right_shift(sum, 16).to(at::kByte));
}

/// Blurs [1, 1, height, width] so that a hard edge fades over about `width` pixels.
at::Tensor feather(const at::Tensor& mask, int64_t width) {
  const double sigma = static_cast<double>(width) / 4;
  const auto reach = static_cast<int64_t>(std::ceil(3 * sigma));
  const at::Tensor steps = at::arange(-reach, reach + 1, at::kDouble) / sigma;
  at::Tensor kernel = at::exp(steps * steps * -0.5);
  kernel = (kernel / kernel.sum()).to(at::kFloat);
  const at::Tensor padded = at::replication_pad2d(mask, {reach, reach, reach, reach});
  return at::conv2d(at::conv2d(padded, kernel.view({1, 1, 1, -1})), kernel.view({1, 1, -1, 1})).clamp_(0.0, 1.0);
}

at::Tensor load_mask(const GenerateOptions& options, const PictureSize& picture, const Margins& margins,
                     const PictureSize& size, std::vector<std::string>& warnings) {
  at::Tensor samples = options.mask_image ? samples_of(*options.mask_image, 1, "mask_image")
                                          : at::zeros({picture.height, picture.width, 1}, at::kByte);
  const PictureSize own = size_of(samples);
  if (own != picture && own != size) {
    warnings.push_back(fmt::format("the mask of {} x {} pixels is resized to the image's {} x {}", own.width,
                                   own.height, picture.width, picture.height));
  }
  if (!options.outpaint.empty()) samples = extend_mask(resize(samples, picture), margins);
  at::Tensor mask = luma(resize(samples, size)).ge(0.5).to(at::kFloat);
  if (!mask.any().item<bool>()) warnings.push_back("the mask has no white: nothing is painted anew");
  mask = mask.unsqueeze(0).unsqueeze(0);
  return options.mask_feather > 0 ? feather(mask, options.mask_feather) : mask;
}

int64_t down_to_multiple(int64_t side, int64_t multiple) { return std::max(multiple, side / multiple * multiple); }

/// A side in proportion to the other one, to the nearest multiple.
int64_t proportional(int64_t other, int64_t from, int64_t to, int64_t multiple) {
  const double side = static_cast<double>(other) * static_cast<double>(to) / static_cast<double>(from);
  return std::max(multiple, static_cast<int64_t>(std::llround(side / static_cast<double>(multiple))) * multiple);
}

/// Whether sizes differ in proportion by more than multiples of a size explain.
bool is_stretched(const PictureSize& from, const PictureSize& to, int64_t multiple) {
  const double wanted =
      static_cast<double>(to.width) * static_cast<double>(from.height) / static_cast<double>(from.width);
  return std::abs(wanted - static_cast<double>(to.height)) >= static_cast<double>(multiple);
}

}  // namespace

bool repaints(const GenerateOptions& options) {
  return options.image.has_value() && (options.mask_image.has_value() || !options.outpaint.empty());
}

int64_t first_step(int64_t steps, double strength) {
  const auto n = static_cast<double>(steps);
  const auto start = static_cast<int64_t>(std::max(n - std::min(n * strength, n), 0.0));
  return strength > 0 ? std::min(start, steps - 1) : steps;
}

PictureSize source_size(const GenerateOptions& options) {
  const PictureSize image = size_of_input(*options.image, "image");
  const Margins add = margins_of(options);
  const PictureSize size{.width = add.left + image.width + add.right, .height = add.top + image.height + add.bottom};
  constexpr int64_t most = ReadImageOptions{}.max_pixels;
  check(options.outpaint.empty() || size.width <= most / size.height, "outpaint",
        "expected at most {} pixels with what is added, got {} x {}", most, size.width, size.height);
  return size;
}

PictureSize size_for_source(const GenerateOptions& options, int64_t multiple, std::vector<std::string>& warnings) {
  const PictureSize source = source_size(options);
  PictureSize size{.width = down_to_multiple(source.width, multiple),
                   .height = down_to_multiple(source.height, multiple)};
  if (options.width && !options.height) {
    size = {*options.width, proportional(*options.width, source.width, source.height, multiple)};
  } else if (options.height && !options.width) {
    size = {proportional(*options.height, source.height, source.width, multiple), *options.height};
  } else if (options.width) {
    size = {*options.width, *options.height};
  } else if (size != source) {
    warnings.push_back(fmt::format("the image of {} x {} pixels is resized to {} x {}, multiples of {}", source.width,
                                   source.height, size.width, size.height, multiple));
  }
  if (is_stretched(source, size, multiple)) {
    warnings.push_back(fmt::format("the image of {} x {} pixels is stretched to {} x {}", source.width, source.height,
                                   size.width, size.height));
  }
  return size;
}

SourcePicture load_source(const GenerateOptions& options, const PictureSize& size, std::vector<std::string>& warnings) {
  at::Tensor samples = samples_of(*options.image, 3, "image");
  const PictureSize picture = size_of(samples);
  const Margins margins = margins_of(options);
  if (!options.outpaint.empty()) samples = extend(samples, margins);
  SourcePicture source{.pixels = unit_range(resize(samples, size)).permute({2, 0, 1}).unsqueeze(0).contiguous(),
                       .mask = {}};
  if (repaints(options)) source.mask = load_mask(options, picture, margins, size, warnings);
  return source;
}

at::Tensor latent_mask(const at::Tensor& mask, int64_t scale, bool feathered) {
  if (feathered) return at::avg_pool2d(mask, {scale, scale});
  return mask.slice(2, 0, std::nullopt, scale).slice(3, 0, std::nullopt, scale).contiguous();
}

}  // namespace llmdit
