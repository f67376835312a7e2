// What the reference made of tests/golden/tiny_z_image, against the library: see tests/golden/make_golden.py.
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "llmdit/llmdit.hpp"
#include "torch_and_catch.hpp"

namespace {

namespace fs = std::filesystem;

const fs::path golden_dir = fs::path(LLMDIT_SOURCE_DIR) / "tests/golden";

// As in make_golden.py.
constexpr const char* prompt = "a red circle above a blue square";
constexpr const char* negative_prompt = "blurry";
constexpr int64_t width = 64, height = 48, steps = 4;
constexpr uint64_t seed = 42;

/// The array `name`, whose file name tells shape and type: name.2x3.f32.
at::Tensor golden(const std::string& name) {
  for (const auto& entry : fs::directory_iterator(golden_dir / "expected")) {
    std::istringstream parts(entry.path().filename().string());
    std::string stem, sides, kind, side;
    std::getline(parts, stem, '.');
    std::getline(parts, sides, '.');
    std::getline(parts, kind);
    if (stem != name) continue;
    std::vector<int64_t> shape;
    for (std::istringstream list(sides); std::getline(list, side, 'x');) shape.push_back(std::stoll(side));
    at::Tensor array = at::empty(shape, kind == "f32" ? at::kFloat : at::kLong);
    std::ifstream file(entry.path(), std::ios::binary);
    file.read(static_cast<char*>(array.mutable_data_ptr()), static_cast<std::streamsize>(array.nbytes()));
    REQUIRE(file.gcount() == static_cast<std::streamsize>(array.nbytes()));
    return array;
  }
  FAIL("no golden array " << name);
  return {};
}

/// Largest difference over the largest absolute value of the reference.
double relative_error(const at::Tensor& got, const at::Tensor& want) {
  REQUIRE(got.sizes() == want.sizes());
  return (got.to(at::kDouble) - want.to(at::kDouble)).abs().max().item<double>() / want.abs().max().item<double>();
}

// float32 sums taken in another order: measured errors are below 2e-6.
constexpr double bound = 2e-5;

#define CHECK_GOLDEN(got, name)                        \
  do {                                                 \
    INFO(name);                                        \
    CHECK(relative_error(got, golden(name)) <= bound); \
  } while (false)

const llmdit::ZImagePipeline& pipeline() {
  static const auto loaded = llmdit::ZImagePipeline::load(golden_dir / "tiny_z_image");
  return loaded;
}

std::vector<int64_t> golden_ids() {
  const at::Tensor ids = golden("input_ids");
  return {ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + ids.numel()};
}

at::Tensor to_tensor(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

}  // namespace

TEST_CASE("golden: token ids of a rendered prompt") {
  CHECK(pipeline().text_encoder().tokenizer().encode(llmdit::format_prompt(prompt)) == golden_ids());
}

TEST_CASE("golden: hidden states of every layer") {
  const auto& encoder = pipeline().text_encoder();
  const int64_t layers = encoder.config().num_hidden_layers;
  for (int64_t layer = 0; layer <= layers; ++layer) {
    const std::string name = "hidden_states_" + std::to_string(layer);
    CHECK_GOLDEN(encoder.hidden_states(golden_ids(), {.hidden_layer = layer}), name);
    CHECK_GOLDEN(encoder.hidden_states(golden_ids(), {.hidden_layer = layer - layers - 1}), name);
  }
}

TEST_CASE("golden: transformer on unequal captions, sizes and times") {
  const auto& transformer = pipeline().transformer();
  const std::vector<at::Tensor> captions = {golden("caption_a"), golden("caption_b")};
  const std::vector<at::Tensor> latents = {golden("latents_a"), golden("latents_b")};
  const auto outputs = transformer.forward(latents, golden("t"), transformer.condition(captions));
  REQUIRE(outputs.size() == 2);
  CHECK_GOLDEN(outputs[0], "prediction_a");
  CHECK_GOLDEN(outputs[1], "prediction_b");
}

TEST_CASE("golden: autoencoder") {
  const auto& vae = pipeline().vae();
  CHECK_GOLDEN(vae.decode(golden("decode_latents")), "decode_pixels");
  const auto distribution = vae.encode(golden("encode_pixels"));
  CHECK_GOLDEN(distribution.mean, "encode_mean");
  CHECK_GOLDEN(distribution.logvar, "encode_logvar");
}

TEST_CASE("golden: noise levels") {
  const llmdit::FlowMatchScheduler turbo({.shift = 3.0});
  for (const int64_t n : {1, 2, 4, 8, 9, 50})
    CHECK_GOLDEN(to_tensor(turbo.make_sigmas(n)), "sigmas_static_" + std::to_string(n));
  CHECK_GOLDEN(to_tensor(turbo.make_sigmas(4, {.shift = 6.0, .sigmas = {1.0, 0.8, 0.5, 0.1}})), "sigmas_given_4");

  llmdit::SchedulerConfig config{.use_dynamic_shifting = true};
  CHECK_GOLDEN(to_tensor(llmdit::FlowMatchScheduler(config).make_sigmas(8, {.image_seq_len = 1024})),
               "sigmas_exponential_8");
  config.time_shift_type = llmdit::TimeShiftType::linear;
  CHECK_GOLDEN(to_tensor(llmdit::FlowMatchScheduler(config).make_sigmas(8, {.image_seq_len = 1024})),
               "sigmas_linear_8");
}

TEST_CASE("golden: noise of a seed, bit for bit") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{42}, (uint64_t{1} << 63) + 11}) {
    CHECK(at::equal(llmdit::make_noise({1, 16, 4, 4}, value), golden("noise_" + std::to_string(value))));
  }
  CHECK(at::equal(llmdit::make_noise({1, 1, 3, 3}, 7), golden("noise_few")));
}

TEST_CASE("golden: latents after each step, and the picture") {
  llmdit::GenerateOptions options{.width = width, .height = height, .num_inference_steps = steps, .seed = seed};
  options.output_type = llmdit::OutputType::tensor;
  std::string name;
  SECTION("without guidance") { name = "plain"; }
  SECTION("with guidance, normalised and truncated") {
    name = "guided";
    options.negative_prompt = negative_prompt;
    options.guidance_scale = 2.5;
    options.cfg_normalization = 1.1;
    options.cfg_truncation = 0.3;
  }
  int64_t seen = 0;
  options.on_step = [&](const llmdit::StepInfo& info) {
    CHECK(info.step == seen++);
    CHECK_GOLDEN(info.latents, name + "_latents_" + std::to_string(info.step));
    return false;
  };
  const llmdit::GenerateResult result = pipeline().generate(prompt, options);
  CHECK(seen == steps);
  CHECK_GOLDEN(result.pixels, name + "_pixels");

  REQUIRE(result.images.size() == 1);
  REQUIRE(result.images[0].width == width);
  REQUIRE(result.images[0].height == height);
  const at::Tensor bytes = (golden(name + "_pixels")[0].permute({1, 2, 0}) * 255).round().to(at::kInt).contiguous();
  const at::Tensor drawn =
      at::from_blob(const_cast<uint8_t*>(result.images[0].pixels.data()), {height, width, 3}, at::kByte).to(at::kInt);
  CHECK((bytes - drawn).abs().max().item<int>() <= 1);
}
