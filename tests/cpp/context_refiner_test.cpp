#include "llmdit/context_refiner.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "llmdit/z_image_transformer.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace {

using llmdit::ContextRefiner;
using llmdit::ContextRefinerConfig;
using llmdit::ErrorCode;
using llmdit::LoadOptions;
using llmdit::test::thrown_by;

const std::filesystem::path transformer_path =
    std::filesystem::path(LLMDIT_SOURCE_DIR) / "tests/golden/tiny_z_image/transformer";
const LoadOptions on_cpu{.device = "cpu"};
const ContextRefinerConfig small{.dim = 64, .n_heads = 4, .max_seq_len = 64};

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  REQUIRE(got.sizes() == want.sizes());
  return ((got - want).abs().max() / want.abs().max()).item<double>();
}

at::Tensor rows(int64_t tokens, int64_t width) {
  return at::arange(tokens * width, at::kFloat).mul(0.37).sin().view({tokens, width});
}

/// What the transformer does before its context refiner.
at::Tensor embedded(const llmdit::ZImageTransformer& transformer, const at::Tensor& prompt_embeds) {
  auto state = transformer.state_dict();
  for (auto& [name, tensor] : state) tensor = tensor.to(at::kFloat);
  const auto& config = transformer.config();
  const at::Tensor normed =
      at::rms_norm(prompt_embeds, {config.cap_feat_dim}, state.at("cap_embedder.0.weight"), config.norm_eps);
  const at::Tensor x = at::linear(normed, state.at("cap_embedder.1.weight"), state.at("cap_embedder.1.bias"));
  const int64_t pads = (llmdit::seq_multi_of - x.size(0) % llmdit::seq_multi_of) % llmdit::seq_multi_of;
  return at::cat({x, state.at("cap_pad_token").expand({pads, -1})});
}

}  // namespace

TEST_CASE("a context refiner refines as its transformer does") {
  const auto transformer = llmdit::ZImageTransformer::load(transformer_path, on_cpu);
  const auto refiner = ContextRefiner::load(transformer_path, on_cpu);
  CHECK(refiner.config().dim == transformer.config().dim);
  for (const int64_t tokens : {1, 32, 45}) {
    const at::Tensor embeds = rows(tokens, transformer.config().cap_feat_dim);
    const at::Tensor want = transformer.condition(std::vector{embeds}).captions.front();
    CHECK(relative_error(refiner.forward(embedded(transformer, embeds)).detach(), want) <= 1e-6);
  }
}

TEST_CASE("a context refiner's gradients descend") {
  const ContextRefiner refiner(small, on_cpu, 1);
  const at::Tensor x = rows(9, 64), target = rows(9, 64).flip({0, 1});
  const auto loss = [&] { return (refiner.forward(x) - target).square().mean(); };
  const double before = loss().item<double>();
  for (int step = 0; step < 20; ++step) {
    loss().backward();
    for (at::Tensor& parameter : refiner.parameters()) {
      REQUIRE(parameter.grad().defined());
      parameter.data().sub_(parameter.grad(), 0.05);
      parameter.mutable_grad().reset();
    }
  }
  CHECK(loss().item<double>() < 0.8 * before);
}

TEST_CASE("gradient checkpointing changes no bit") {
  const at::Tensor x = rows(7, 64);
  const auto gradients = [&](bool checkpointing) {
    ContextRefiner refiner(small, on_cpu, 2);
    refiner.enable_gradient_checkpointing(checkpointing);
    CHECK(refiner.is_gradient_checkpointing() == checkpointing);
    refiner.forward(x).square().sum().backward();
    std::vector<at::Tensor> result;
    for (const at::Tensor& parameter : refiner.parameters()) result.push_back(parameter.grad());
    return result;
  };
  const auto kept = gradients(false), computed_again = gradients(true);
  REQUIRE(kept.size() == computed_again.size());
  for (size_t i = 0; i < kept.size(); ++i) CHECK(at::equal(kept[i], computed_again[i]));
}

TEST_CASE("gradient checkpointing outlives the refiner") {
  at::Tensor loss, x = rows(5, 64).requires_grad_();
  {
    ContextRefiner refiner(small, on_cpu);
    refiner.enable_gradient_checkpointing();
    loss = refiner.forward(x).sum();
  }
  loss.backward();
  CHECK(x.grad().abs().max().item<float>() > 0);
}

TEST_CASE("a context refiner's state moves to another") {
  const ContextRefiner from(small, on_cpu, 3);
  ContextRefiner to(small, on_cpu, 4);
  const at::Tensor x = rows(6, 64);
  CHECK_FALSE(at::equal(from.forward(x), to.forward(x)));
  to.load_state_dict(from.state_dict());
  CHECK(at::equal(from.forward(x), to.forward(x)));
  CHECK(at::equal(ContextRefiner(small, on_cpu, 3).forward(x), from.forward(x)));

  auto state = from.state_dict();
  state["context_refiner.0.attention_norm1.weight"] = at::ones({3});
  const auto error = thrown_by([&] { to.load_state_dict(state); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says("context_refiner.0.attention_norm1.weight"));
  CHECK(at::equal(from.forward(x), to.forward(x)));
}

TEST_CASE("a context refiner says what does not fit") {
  const ContextRefiner refiner(small, on_cpu);
  CHECK(thrown_by([&] { refiner.forward(at::Tensor()); }).says("[tokens, 64] or [batch, tokens, 64], got none"));
  CHECK(thrown_by([&] { refiner.forward(at::zeros({65, 64})); }).says("1 to max_seq_len = 64 tokens, got 65"));
  CHECK(thrown_by([&] { refiner.forward(std::vector<at::Tensor>{}); }).says("at least one sequence"));
  CHECK(thrown_by([] { ContextRefiner({.dim = 64, .n_heads = 5}, on_cpu); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([] { ContextRefiner::load("/no/such/folder", on_cpu); }).code == ErrorCode::not_found);
}
