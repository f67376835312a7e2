// The demo model from prompt to picture: what comes out, what is refused, and that a failed call leaves the pipeline as
// it was.
#include <filesystem>
#include <limits>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "llmdit/llmdit.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace {

using namespace llmdit;
using test::TempFolder;
using test::thrown_by;
namespace fs = std::filesystem;

const fs::path demo = fs::path(LLMDIT_SOURCE_DIR) / "examples/demo_model";
constexpr const char* prompt = "a red circle on a blue background";

const ZImagePipeline& pipeline() {
  static const ZImagePipeline loaded = ZImagePipeline::load(demo);
  return loaded;
}

GenerateOptions quick(uint64_t seed = 7) {
  GenerateOptions options;
  options.num_inference_steps = 2;
  options.seed = seed;
  return options;
}

at::Tensor rows(const Image& image) {
  return at::from_blob(const_cast<uint8_t*>(image.pixels.data()), {image.height, image.width, 3}, at::kByte)
      .to(at::kFloat);
}

std::vector<double> mean_color(const at::Tensor& pixels) {
  const at::Tensor mean = pixels.flatten(0, 1).mean(0).to(at::kDouble);
  return {mean[0].item<double>(), mean[1].item<double>(), mean[2].item<double>()};
}

/// A copy of the demo model whose parts can be spoilt.
fs::path copy_model(const TempFolder& folder) {
  const fs::path copy = folder.path() / "model";
  fs::copy(demo, copy, fs::copy_options::recursive);
  return copy;
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = test::read_bytes(file);
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  fs::remove(file);
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("the demo model draws what the prompt says", "[pipeline]") {
  GenerateOptions options;
  options.num_inference_steps = 8;
  options.seed = 3;
  const GenerateResult result = pipeline().generate(prompt, options);
  REQUIRE(result.images.size() == 1);
  const at::Tensor pixels = rows(result.images[0]);
  const auto middle = mean_color(pixels.slice(0, 54, 74).slice(1, 54, 74));
  const auto corner = mean_color(pixels.slice(0, 2, 12).slice(1, 2, 12));
  CHECK(middle[0] > 170);  // red
  CHECK(middle[2] < 90);
  CHECK(corner[2] > 150);  // blue
  CHECK(corner[0] < 90);
  CHECK(result.warnings.empty());
}

TEST_CASE("the result reports the run", "[pipeline]") {
  GenerateOptions options = quick(11);
  options.num_images_per_prompt = 3;
  options.width = 64;
  options.height = 32;
  const std::vector<std::string> prompts = {prompt, "a star"};
  const GenerateResult result = pipeline().generate(prompts, options);
  CHECK(result.images.size() == 6);
  CHECK(result.images[5].width == 64);
  CHECK(result.images[5].height == 32);
  CHECK(result.images[5].pixels.size() == 64 * 32 * 3);
  CHECK(result.seeds == std::vector<uint64_t>{11, 12, 13, 14, 15, 16});
  CHECK(result.sigmas.size() == 3);
  CHECK(result.token_counts.size() == 2);
  CHECK(result.formatted_prompts[1] == format_prompt("a star"));
  CHECK(result.timings.steps.size() == 2);
  CHECK(result.timings.total >= result.timings.denoise);
  CHECK(result.latents.sizes() == at::IntArrayRef{6, 16, 4, 8});
  CHECK(!result.pixels.defined());
}

TEST_CASE("each picture of a batch is the one its seed makes alone", "[pipeline]") {
  GenerateOptions options = quick(20);
  options.num_images_per_prompt = 2;
  const GenerateResult batch = pipeline().generate(prompt, options);
  const GenerateResult alone = pipeline().generate(prompt, quick(21));
  CHECK((rows(batch.images[1]) - rows(alone.images[0])).abs().max().item<float>() <= 1);
  CHECK(at::allclose(batch.latents[1], alone.latents[0], 1e-4, 1e-4));
}

TEST_CASE("latents and prompt_embeds enter where the stages would have made them", "[pipeline]") {
  const GenerateResult whole = pipeline().generate(prompt, quick());
  GenerateOptions options = quick();
  const std::string text = prompt;
  options.prompt_embeds = pipeline().encode_prompt(std::span(&text, 1)).embeddings;
  options.latents = make_noise({1, 16, 16, 16}, 7);
  options.seed.reset();
  const GenerateResult parts = pipeline().generate(std::span<const std::string>(), options);
  CHECK((parts.images == whole.images));
  CHECK(parts.seeds.empty());
  CHECK(parts.token_counts == whole.token_counts);
}

TEST_CASE("output types", "[pipeline]") {
  GenerateOptions options = quick();
  options.output_type = OutputType::latent;
  CHECK(pipeline().generate(prompt, options).images.empty());
  options.output_type = OutputType::tensor;
  const GenerateResult result = pipeline().generate(prompt, options);
  CHECK(result.pixels.sizes() == at::IntArrayRef{1, 3, 128, 128});
  CHECK(result.pixels.min().item<float>() >= 0);
  CHECK(result.pixels.max().item<float>() <= 1);
  CHECK(result.images.size() == 1);
}

TEST_CASE("on_step sees every step, and true cancels", "[pipeline]") {
  GenerateOptions options = quick();
  std::vector<float> sigmas;
  options.on_step = [&](const StepInfo& info) {
    CHECK(info.total == 2);
    CHECK(info.step == static_cast<int64_t>(sigmas.size()));
    CHECK(info.latents.dim() == 4);
    sigmas.push_back(info.sigma);
    return false;
  };
  const GenerateResult result = pipeline().generate(prompt, options);
  CHECK(sigmas == std::vector<float>{result.sigmas[1], 0.0f});

  options.on_step = [](const StepInfo&) { return true; };
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::cancelled);
  options.on_step = [](const StepInfo&) -> bool { throw std::out_of_range("the caller's own"); };
  CHECK_THROWS_AS(pipeline().generate(prompt, options), std::out_of_range);
  CHECK((pipeline().generate(prompt, quick()).images == result.images));
}

TEST_CASE("a stop requested before, between and twice is honoured and forgotten", "[pipeline]") {
  std::stop_source source;
  GenerateOptions options = quick();
  options.stop = source.get_token();
  options.on_step = [&](const StepInfo&) {
    source.request_stop();
    return false;
  };
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::cancelled);
  CHECK(thrown_by([&] { pipeline().generate(prompt, options); }).code == ErrorCode::cancelled);
  CHECK(pipeline().generate(prompt, quick()).images.size() == 1);
}

TEST_CASE("one pipeline serves threads as it serves one caller", "[pipeline]") {
  constexpr int count = 4;
  std::vector<std::vector<Image>> serial(count), parallel(count);
  for (int i = 0; i < count; ++i) serial[i] = pipeline().generate(prompt, quick(i)).images;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] { parallel[i] = pipeline().generate(prompt, quick(i)).images; });
  for (std::thread& thread : threads) thread.join();
  CHECK((serial == parallel));
}

TEST_CASE("requests that cannot be met are refused before any work", "[pipeline]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<const char*, std::function<void(GenerateOptions&)>> wrong[] = {
      {"width 100", [](auto& o) { o.width = 100; }},
      {"height 0", [](auto& o) { o.height = 0; }},
      {"width negative", [](auto& o) { o.width = -16; }},
      {"beyond the rope table", [](auto& o) { o.width = 2064; }},
      {"huge", [](auto& o) { o.width = o.height = int64_t{1} << 40; }},
      {"steps 0", [](auto& o) { o.num_inference_steps = 0; }},
      {"guidance NaN", [nan](auto& o) { o.guidance_scale = nan; }},
      {"no pictures", [](auto& o) { o.num_images_per_prompt = 0; }},
      {"layer", [](auto& o) { o.hidden_layer = -6; }},
      {"sigmas rise", [](auto& o) { o.sigmas = {0.5, 0.8}; }},
      {"shift 0", [](auto& o) { o.shift = 0.0; }},
      {"latents of another shape", [](auto& o) { o.latents = at::zeros({1, 4, 16, 16}); }},
      {"latents against width", [](auto& o) { o.latents = at::zeros({1, 16, 16, 16}), o.width = 64; }},
      {"both prompt and embeds", [](auto& o) { o.prompt_embeds = std::vector<at::Tensor>{at::zeros({4, 128})}; }},
  };
  for (const auto& [name, spoil] : wrong) {
    INFO(name);
    GenerateOptions options = quick();
    spoil(options);
    const auto error = thrown_by([&] { pipeline().generate(prompt, options); });
    CHECK(error.code == ErrorCode::invalid_argument);
    CHECK(error.says("expected"));
  }
}

TEST_CASE("the caption limit is the transformer's, and nothing is cut silently", "[pipeline]") {
  const int64_t limit = max_caption_len(pipeline().transformer().config());
  CHECK(limit == 992);
  GenerateOptions options = quick();
  options.num_inference_steps = 1;
  options.prompt_embeds = std::vector<at::Tensor>{at::zeros({limit, 128})};
  CHECK(pipeline().generate(std::span<const std::string>(), options).token_counts == std::vector<int64_t>{limit});
  options.prompt_embeds = std::vector<at::Tensor>{at::zeros({limit + 1, 128})};
  const GenerateResult longer = pipeline().generate(std::span<const std::string>(), options);
  CHECK(longer.token_counts == std::vector<int64_t>{limit + 1});
  CHECK(longer.caption_lengths == std::vector<int64_t>{limit});
  REQUIRE(longer.warnings.size() == 1);
  CHECK(longer.warnings[0].find("993") != std::string::npos);
  CHECK(longer.warnings[0].find("992") != std::string::npos);
  // The transformer by itself compresses nothing.
  const auto error = thrown_by([&] { pipeline().transformer().condition(*options.prompt_embeds); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK((error.says("992") && error.says("993")));
}

TEST_CASE("options without effect are told", "[pipeline]") {
  GenerateOptions options = quick();
  options.negative_prompt = "blur";
  CHECK(pipeline().generate(prompt, options).warnings.size() == 1);
  options.guidance_scale = 1.0;
  CHECK(pipeline().generate(prompt, options).warnings.empty());
  CHECK(pipeline().generate("  ", quick()).warnings.size() == 1);
}

TEST_CASE("a folder that misses a part or mixes models is refused, naming the files", "[pipeline]") {
  const TempFolder folder;
  const fs::path model = copy_model(folder);

  SECTION("no such folder") {
    const auto error = thrown_by([&] { ZImagePipeline::load(folder.path() / "nothing"); });
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.says("model_index.json"));
  }
  SECTION("missing files") {
    for (const char* part :
         {"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "vae/config.json",
          "transformer/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"}) {
      INFO(part);
      fs::rename(model / part, model / "aside");
      const auto error = thrown_by([&] { ZImagePipeline::load(model); });
      CHECK(error.code == ErrorCode::not_found);
      CHECK(error.says(fs::path(part).filename().string().substr(0, 10)));
      fs::rename(model / "aside", model / part);
    }
    CHECK_NOTHROW(ZImagePipeline::load(model));
  }
  SECTION("a configuration that its weights do not follow") {
    replace_in(model / "transformer/config.json", "\"cap_feat_dim\": 128", "\"cap_feat_dim\": 160");
    const auto error = thrown_by([&] { ZImagePipeline::load(model); });
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("160"));
    CHECK(error.says("128"));
    CHECK(error.says("diffusion_pytorch_model.safetensors"));
  }
  SECTION("settings that are not handled are not passed over") {
    replace_in(model / "scheduler/scheduler_config.json", "\"use_karras_sigmas\": false",
               "\"use_karras_sigmas\": true");
    const auto error = thrown_by([&] { ZImagePipeline::load(model); });
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("use_karras_sigmas"));
  }
  SECTION("a truncated weight file") {
    const fs::path weights = model / "vae/diffusion_pytorch_model.safetensors";
    fs::resize_file(weights, fs::file_size(weights) - 100);
    const auto error = thrown_by([&] { ZImagePipeline::load(model); });
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("diffusion_pytorch_model.safetensors"));
  }
  SECTION("another kind of model") {
    replace_in(model / "model_index.json", "ZImagePipeline", "FluxPipeline");
    CHECK(thrown_by([&] { ZImagePipeline::load(model); }).says("FluxPipeline"));
  }
}

TEST_CASE("storage types change the weights' memory, not the picture", "[pipeline]") {
  const GenerateResult kept = pipeline().generate(prompt, quick());
  for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16}) {
    INFO(dtype_name(dtype));
    LoadOptions load;
    load.dtype = dtype;
    const ZImagePipeline other = ZImagePipeline::load(demo, load);
    CHECK(other.transformer().state_dict().at("layers.0.attention.to_q.weight").itemsize() ==
          (dtype == DType::float32 ? 4 : 2));
    CHECK((rows(other.generate(prompt, quick()).images[0]) - rows(kept.images[0])).abs().max().item<float>() <= 2);
  }
}

TEST_CASE("devices that are not there are named", "[pipeline]") {
  LoadOptions load;
  load.device = "cuda:7";
  const auto error = thrown_by([&] { ZImagePipeline::load(demo, load); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says("cpu"));
}

TEST_CASE("prompts may be written as a list", "[pipeline]") {
  const GenerateResult result = pipeline().generate({"a red circle", "a blue star"}, quick());
  CHECK(result.images.size() == 2);
  CHECK(result.formatted_prompts[1] == format_prompt("a blue star"));
}

TEST_CASE("a stop reaches the text side and the context refiner", "[pipeline]") {
  std::stop_source source;
  source.request_stop();
  const std::vector<at::Tensor> embeds = {at::zeros({4, 128})};
  CHECK(thrown_by([&] { pipeline().transformer().condition(embeds, {.stop = source.get_token()}); }).code ==
        ErrorCode::cancelled);
}

TEST_CASE("results are ordinary tensors that may be written to and trained on", "[pipeline]") {
  at::Tensor latents = pipeline().generate(prompt, quick()).latents;
  CHECK(!latents.is_inference());
  CHECK_NOTHROW(latents.add_(1).requires_grad_(true));
}

TEST_CASE("captions of another transformer are refused", "[pipeline]") {
  const Conditioning foreign{.captions = {at::zeros({32, 64})}};
  CHECK(thrown_by([&] { pipeline().transformer().forward(at::zeros({1, 16, 4, 4}), at::zeros({1}), foreign); }).code ==
        ErrorCode::invalid_argument);
}
