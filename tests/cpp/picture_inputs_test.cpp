// Pictures to start from, tiles and previews through the C++ interface; numbers against the reference are compared in
// tests/python.
#include <stop_token>
#include <thread>

#include "llmdit/llmdit.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace {

using namespace llmdit;
using test::thrown_by;

constexpr const char* prompt = "a red circle on a blue background";

const ZImagePipeline& pipeline() {
  static const ZImagePipeline loaded = ZImagePipeline::load(demo_model_path());
  return loaded;
}

Image flat(int64_t width, int64_t height, uint8_t red, uint8_t green, uint8_t blue) {
  Image image{.width = width, .height = height, .pixels = {}};
  for (int64_t i = 0; i < width * height; ++i) image.pixels.insert(image.pixels.end(), {red, green, blue});
  return image;
}

/// White on the right of `column`.
Image right_of(int64_t column, int64_t width, int64_t height) {
  Image mask = flat(width, height, 0, 0, 0);
  for (int64_t i = 0; i < width * height; ++i) {
    if (i % width >= column) std::fill_n(mask.pixels.begin() + 3 * i, 3, uint8_t{255});
  }
  return mask;
}

GenerateOptions from_picture(double strength) {
  GenerateOptions options;
  options.num_inference_steps = 4;
  options.seed = 5;
  options.strength = strength;
  options.image = flat(64, 48, 200, 40, 40);
  return options;
}

at::Tensor rows(const Image& image) {
  return at::tensor(at::ArrayRef<uint8_t>(image.pixels)).view({image.height, image.width, 3}).to(at::kFloat);
}

}  // namespace

TEST_CASE("strength says how many of the steps run", "[img2img]") {
  for (const auto& [strength, steps] : std::vector<std::pair<double, size_t>>{{0, 0}, {0.01, 1}, {0.5, 2}, {1, 4}}) {
    int64_t seen = 0;
    GenerateOptions options = from_picture(strength);
    options.on_step = [&](const StepInfo& info) {
      CHECK(info.total == static_cast<int64_t>(steps));
      ++seen;
      return false;
    };
    const GenerateResult result = pipeline().generate(prompt, options);
    CHECK(result.sigmas.size() == steps + 1);
    CHECK(seen == static_cast<int64_t>(steps));
    CHECK(result.images[0].width == 64);
    CHECK(result.images[0].height == 48);
    CHECK(strength_of(options) == strength);
  }
  CHECK(strength_of({}) == 0.75);
  GenerateOptions outpaint;
  outpaint.outpaint = {16, 0, 0, 0};
  CHECK(strength_of(outpaint) == 1.0);
}

TEST_CASE("a masked picture keeps the pixels that are put back", "[img2img]") {
  GenerateOptions options = from_picture(1.0);
  options.mask_image = right_of(32, 64, 48);
  options.mask_composite = true;
  const GenerateResult result = pipeline().generate(prompt, options);
  const at::Tensor got = rows(result.images[0]), source = rows(std::get<Image>(*options.image));
  CHECK(at::equal(got.slice(1, 0, 32), source.slice(1, 0, 32)));
  CHECK(!at::equal(got.slice(1, 32, 64), source.slice(1, 32, 64)));
  CHECK(result.seeds == std::vector<uint64_t>{5});
}

TEST_CASE("what is no picture is refused", "[img2img]") {
  GenerateOptions options = from_picture(0.5);
  options.image = Image{.width = 4, .height = 4, .pixels = std::vector<uint8_t>(47)};
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::invalid_argument);
  options.image = Image{};
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::invalid_argument);
  options.image = at::Tensor{};
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::invalid_argument);
  options = from_picture(0.5);
  options.mask_image = at::zeros({3, 8, 8});
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::invalid_argument);
  options = from_picture(0.5);
  options.generators = {at::Generator{}};
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("a stop is heard between tiles", "[tiling]") {
  const AutoencoderKL vae = pipeline().vae();
  std::stop_source source;
  source.request_stop();
  const at::Tensor latents = at::zeros({1, 16, 40, 40});
  const TilingOptions tiling{.mode = TilingMode::on, .tile_size = 128, .tile_overlap = 32};
  CHECK(thrown_by([&] { vae.decode(latents, source.get_token(), tiling); }).code == ErrorCode::cancelled);
  CHECK(thrown_by([&] { vae.encode(at::zeros({1, 3, 320, 320}), source.get_token(), tiling); }).code ==
        ErrorCode::cancelled);
  CHECK(vae.decode(latents, {}, tiling).sizes() == at::IntArrayRef({1, 3, 320, 320}));
}

TEST_CASE("resizing keeps flat colors and refuses what is no size", "[image]") {
  const Image image = flat(9, 5, 10, 128, 255);
  for (const auto& [width, height] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {9, 5}, {4, 17}, {30, 2}})
    CHECK((resize_image(image, width, height) == flat(width, height, 10, 128, 255)));
  CHECK(thrown_by([&] { resize_image(image, 0, 4); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { resize_image({.width = 3, .height = 3, .pixels = {}}, 4, 4); }).code ==
        ErrorCode::invalid_argument);
}

TEST_CASE("noise levels mix noise and latents", "[scheduler]") {
  const at::Tensor latents = at::full({1, 2, 2, 2}, 4.0), noise = at::full({3, 2, 2, 2}, -2.0);
  CHECK(at::equal(scale_noise(latents, noise, 0), at::full({3, 2, 2, 2}, 4.0)));
  CHECK(at::equal(scale_noise(latents, noise, 1), noise));
  CHECK(at::equal(scale_noise(latents, noise, 0.25f), at::full({3, 2, 2, 2}, 2.5)));
}
