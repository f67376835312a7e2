// Adapters on the demo model through the C++ interface: what changes, what is told, and that a failed load changes
// nothing.
#include "llmdit/lora.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "llmdit/z_image_pipeline.hpp"
#include "safetensors_bytes.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace {

using namespace llmdit;
using test::TempFolder;
using test::thrown_by;
namespace fs = std::filesystem;

const fs::path demo = fs::path(LLMDIT_SOURCE_DIR) / "examples/demo_model";
const std::string to_q = "layers.0.attention.to_q", to_k = "layers.0.attention.to_k";

/// The bytes of an adapter of rank 1 on a square matrix of `size`, both factors filled with `value`.
std::string adapter(const std::string& module, int64_t size, float value) {
  const std::string end = std::to_string(size * 4), end_2 = std::to_string(size * 8), n = std::to_string(size);
  const std::string header = "{\"" + module + R"(.lora_A.weight":{"dtype":"F32","shape":[1,)" + n +
                             R"(],"data_offsets":[0,)" + end + "]},\"" + module +
                             R"(.lora_B.weight":{"dtype":"F32","shape":[)" + n + R"(,1],"data_offsets":[)" + end + "," +
                             end_2 + "]}}";
  const std::vector<float> values(static_cast<size_t>(2 * size), value);
  std::string data(values.size() * sizeof(float), '\0');
  std::memcpy(data.data(), values.data(), data.size());
  return test::safetensors_bytes(header, data);
}

at::Tensor weight(const ZImagePipeline& pipeline, const std::string& module) {
  return pipeline.transformer().state_dict().at(module + ".weight").to(at::kFloat);
}

int64_t width(const ZImagePipeline& pipeline) {
  return pipeline.transformer().weight_shapes().at(to_q + ".weight").at(0);
}

}  // namespace

TEST_CASE("a LoRA's scale stands behind the last colon", "[lora]") {
  const std::vector<std::pair<std::string, Lora>> cases = {
      {"a.safetensors", {"a.safetensors", 1.0}},
      {"a.safetensors:0.5", {"a.safetensors", 0.5}},
      {"a:b:-2", {"a:b", -2.0}},
      {"C:/x/a.safetensors", {"C:/x/a.safetensors", 1.0}},
      {"a:1e-1", {"a", 0.1}},
      {"a:", {"a:", 1.0}},
      {"a:0.5x", {"a:0.5x", 1.0}},
  };
  for (const auto& [text, lora] : cases) {
    INFO(text);
    CHECK((parse_lora(text) == lora));
  }
}

TEST_CASE("several LoRAs add up, whichever comes first", "[lora]") {
  const TempFolder folder;
  auto pipeline = ZImagePipeline::load(demo);
  const int64_t n = width(pipeline);
  const std::array loras = {Lora{folder.write("q.safetensors", adapter(to_q, n, 0.5F)), 0.5},
                            Lora{folder.write("more.safetensors", adapter("transformer." + to_q, n, 1.0F)), -2.0}};
  const at::Tensor before = weight(pipeline, to_q), other = weight(pipeline, to_k);
  const LoraReport report = pipeline.load_loras(loras);
  CHECK((report.applied == std::vector<std::string>{to_q + ".weight"}));
  CHECK(report.unused.empty());
  CHECK(report.warnings.empty());
  const at::Tensor first = weight(pipeline, to_q);
  CHECK((first - before + 1.875).abs().max().item<float>() < 0.02F);  // 0.5 * 0.25 - 2 * 1, in the weight's type
  CHECK(at::equal(weight(pipeline, to_k), other));

  pipeline.unload_loras();
  CHECK(at::equal(weight(pipeline, to_q), before));
  CHECK(pipeline.loras().empty());
  pipeline.load_lora(loras[1].path, loras[1].scale);
  pipeline.load_lora(loras[0].path, loras[0].scale);
  CHECK(at::allclose(weight(pipeline, to_q), first, 1e-2, 1e-2));
}

TEST_CASE("copies of a pipeline share its LoRAs, parts that were taken do not", "[lora]") {
  const TempFolder folder;
  auto pipeline = ZImagePipeline::load(demo);
  const ZImagePipeline copy = pipeline;
  const ZImageTransformer taken = pipeline.transformer();
  const at::Tensor before = weight(pipeline, to_q);
  pipeline.load_lora(folder.write("q.safetensors", adapter(to_q, width(pipeline), 1.0F)));
  CHECK(copy.loras().size() == 1);
  CHECK_FALSE(at::equal(weight(copy, to_q), before));
  CHECK(at::equal(taken.state_dict().at(to_q + ".weight").to(at::kFloat), before));
}

TEST_CASE("a LoRA that cannot be loaded changes nothing", "[lora]") {
  const TempFolder folder;
  auto pipeline = ZImagePipeline::load(demo);
  const int64_t n = width(pipeline);
  const fs::path good = folder.write("good.safetensors", adapter(to_q, n, 1.0F));
  const fs::path narrow = folder.write("narrow.safetensors", adapter(to_q, n - 1, 1.0F));
  const fs::path foreign = folder.write("flux.safetensors", adapter("lora_unet_double_blocks_0_img_mlp_0", n, 1.0F));
  const at::Tensor before = weight(pipeline, to_q);

  for (const fs::path& bad : {narrow, foreign, folder.path() / "nowhere.safetensors"}) {
    const std::array loras = {Lora{good, 1.0}, Lora{bad, 1.0}};
    const auto error = thrown_by([&] { pipeline.load_loras(loras); });
    INFO(error.text);
    CHECK(error.code == (fs::exists(bad) ? ErrorCode::unsupported : ErrorCode::not_found));
    CHECK(error.says(test::as_text(bad.filename())));
  }
  const std::string n_text = std::to_string(n), less = std::to_string(n - 1);
  CHECK(thrown_by([&] {
          pipeline.load_lora(narrow);
        }).says("expected a change of [" + n_text + ", " + n_text + "], found one of [" + less + ", " + less + "]"));
  CHECK(thrown_by([&] { pipeline.load_lora(foreign); }).says("Flux"));
  for (const double scale : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK(thrown_by([&] { pipeline.load_lora(good, scale); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { pipeline.load_loras({}); }).code == ErrorCode::invalid_argument);
  CHECK(at::equal(weight(pipeline, to_q), before));
  CHECK(pipeline.loras().empty());
}

TEST_CASE("every cut of a LoRA is refused", "[lora]") {
  const TempFolder folder;
  auto pipeline = ZImagePipeline::load(demo);
  const std::string bytes = adapter(to_q, width(pipeline), 1.0F);
  for (size_t size = 0; size < bytes.size(); size += 61) {
    const auto path = folder.write("cut.safetensors", std::string_view(bytes).substr(0, size));
    CHECK(thrown_by([&] { pipeline.load_lora(path); }).code == ErrorCode::unsupported);
  }
  CHECK(pipeline.loras().empty());
}

TEST_CASE("pictures are of one set of weights while LoRAs come and go", "[lora]") {
  const TempFolder folder;
  auto pipeline = ZImagePipeline::load(demo);
  const fs::path path = folder.write("q.safetensors", adapter(to_q, width(pipeline), 1.0F));
  GenerateOptions options;
  options.num_inference_steps = 2;
  options.seed = 1;
  options.output_type = OutputType::latent;
  const auto picture = [&] { return pipeline.generate("a circle", options).latents; };
  const at::Tensor plain = picture();
  pipeline.load_lora(path);
  const at::Tensor changed = picture();
  REQUIRE_FALSE(at::equal(plain, changed));

  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      pipeline.unload_loras();
      pipeline.load_lora(path);
    }
  });
  int mixed = 0;
  for (int i = 0; i < 8; ++i) {
    const at::Tensor latents = picture();
    mixed += !at::equal(latents, plain) && !at::equal(latents, changed);
  }
  done = true;
  other.join();
  CHECK(mixed == 0);
}
