#include "io/image_resize.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.hpp"
#include "llmdit/image.hpp"

namespace llmdit::io {
namespace {

constexpr double lobes = 3;  // of the filter, on either side

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double lanczos(double x) { return std::abs(x) < lobes ? sinc(x) * sinc(x / lobes) : 0; }

/// What one output sample is made of: weights of consecutive inputs, which sum to 1.
struct Taps {
  int64_t begin = 0;
  std::vector<double> weights;
};

std::vector<Taps> make_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0);  // to average where samples become fewer
  const double reach = lobes * stretch;
  std::vector<Taps> taps(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    Taps& tap = taps[static_cast<size_t>(i)];
    const double center = (static_cast<double>(i) + 0.5) * scale;
    tap.begin = std::max<int64_t>(static_cast<int64_t>(center - reach + 0.5), 0);
    const int64_t end = std::min(static_cast<int64_t>(center + reach + 0.5), from);
    double sum = 0;
    for (int64_t j = tap.begin; j < end; ++j) {
      tap.weights.push_back(lanczos((static_cast<double>(j) - center + 0.5) / stretch));
      sum += tap.weights.back();
    }
    for (double& weight : tap.weights) weight /= sum;
  }
  return taps;
}

/// How samples of a type are weighted and summed.
template <class Sample>
struct Arithmetic;

template <>
struct Arithmetic<float> {
  using Weight = double;
  static Weight weight(double w) { return w; }
  static float finish(double sum) { return static_cast<float>(sum); }
};

template <>
struct Arithmetic<uint8_t> {
  using Weight = int64_t;
  static constexpr int bits = 22;  // behind the binary point
  static Weight weight(double w) { return std::llround(w * (int64_t{1} << bits)); }
  static uint8_t finish(int64_t sum) {
    return static_cast<uint8_t>(std::clamp<int64_t>((sum + (int64_t{1} << (bits - 1))) >> bits, 0, 255));
  }
};

/// Resizes the middle axis of [outer, from, inner].
template <class Sample>
std::vector<Sample> resize_axis(std::span<const Sample> in, int64_t outer, int64_t from, int64_t inner, int64_t to) {
  using Weight = typename Arithmetic<Sample>::Weight;
  std::vector<Sample> out(static_cast<size_t>(outer * to * inner));
  std::vector<Weight> sums(static_cast<size_t>(inner));
  const std::vector<Taps> taps = make_taps(from, to);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < to; ++i) {
      const Taps& tap = taps[static_cast<size_t>(i)];
      std::ranges::fill(sums, Weight{});
      for (size_t k = 0; k < tap.weights.size(); ++k) {
        const Weight weight = Arithmetic<Sample>::weight(tap.weights[k]);
        const Sample* row = in.data() + (o * from + tap.begin + static_cast<int64_t>(k)) * inner;
        for (int64_t c = 0; c < inner; ++c) sums[static_cast<size_t>(c)] += weight * row[c];
      }
      Sample* result = out.data() + (o * to + i) * inner;
      for (int64_t c = 0; c < inner; ++c) result[c] = Arithmetic<Sample>::finish(sums[static_cast<size_t>(c)]);
    }
  }
  return out;
}

template <class Sample>
std::vector<Sample> resize(std::span<const Sample> samples, const PictureShape& from, int64_t height, int64_t width) {
  std::vector<Sample> result(samples.begin(), samples.end());
  if (width != from.width) result = resize_axis<Sample>(result, from.height, from.width, from.channels, width);
  if (height != from.height) result = resize_axis<Sample>(result, 1, from.height, width * from.channels, height);
  return result;
}

}  // namespace

std::vector<uint8_t> resize_lanczos(std::span<const uint8_t> samples, const PictureShape& from, int64_t height,
                                    int64_t width) {
  return resize(samples, from, height, width);
}

std::vector<float> resize_lanczos(std::span<const float> samples, const PictureShape& from, int64_t height,
                                  int64_t width) {
  return resize(samples, from, height, width);
}

}  // namespace llmdit::io

namespace llmdit {

Image resize_image(const Image& image, int64_t width, int64_t height) {
  constexpr int64_t most = 1 << 20;
  check(width >= 1 && height >= 1 && width <= most && height <= most, "resize_image",
        "expected sides of 1 to {} pixels, got {} x {}", most, width, height);
  check(image.width >= 1 && image.height >= 1 &&
            image.pixels.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3,
        "resize_image", "expected three bytes for each of {} x {} pixels, got {} bytes", image.width, image.height,
        image.pixels.size());
  const io::PictureShape from{.height = image.height, .width = image.width, .channels = 3};
  return {.width = width, .height = height, .pixels = io::resize_lanczos(image.pixels, from, height, width)};
}

}  // namespace llmdit
