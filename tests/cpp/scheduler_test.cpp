#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "llmdit/guidance.hpp"
#include "llmdit/scheduler.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace {

using namespace llmdit;
using test::thrown_by;

FlowMatchScheduler turbo() { return FlowMatchScheduler({.shift = 3.0}); }

void check_close(const std::vector<float>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK_THAT(got[i], Catch::Matchers::WithinAbs(want[i], 1e-5));
}

}  // namespace

TEST_CASE("noise levels of Z-Image: N steps are N model calls, 0 comes once", "[scheduler]") {
  check_close(turbo().make_sigmas(8), {1, .954545, .9, .833333, .75, .642857, .5, .3, 0});
  check_close(turbo().make_sigmas(9), {1, .96, .913043, .857143, .789474, .705882, .6, .461538, .272727, 0});
  check_close(turbo().make_sigmas(1), {1, 0});
  check_close(turbo().make_sigmas(2), {1, .75, 0});
}

TEST_CASE("shift is applied once, from the call or the configuration", "[scheduler]") {
  check_close(turbo().make_sigmas(2, {.shift = 1.0}), {1, .5, 0});
  check_close(turbo().make_sigmas(2, {.shift = 6.0}), {1, 6.0 / 7.0, 0});
  check_close(turbo().make_sigmas(2, {.sigmas = {0.8, 0.4}}), {2.4 / 2.6, 1.2 / 1.8, 0});
}

TEST_CASE("dynamic shifting only where the configuration asks for it, through exp(mu)", "[scheduler]") {
  SchedulerConfig config{.shift = 3.0, .use_dynamic_shifting = true};
  CHECK_THAT(calculate_mu(config, 4096), Catch::Matchers::WithinAbs(1.15, 1e-12));
  const double shift = std::exp(1.15);
  check_close(FlowMatchScheduler(config).make_sigmas(2, {.image_seq_len = 4096}),
              {1, shift * .5 / (1 + (shift - 1) * .5), 0});
  config.time_shift_type = TimeShiftType::linear;
  check_close(FlowMatchScheduler(config).make_sigmas(2, {.image_seq_len = 4096}), {1, 1.15 * .5 / (1 + .15 * .5), 0});
  // A shift named by the caller is static.
  check_close(FlowMatchScheduler(config).make_sigmas(2, {.shift = 1.0}), {1, .5, 0});
  CHECK(thrown_by([&] { FlowMatchScheduler(config).make_sigmas(2); }).says("image_seq_len"));
}

TEST_CASE("schedules that cannot be are refused", "[scheduler]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown_by([] { turbo().make_sigmas(0); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([] { turbo().make_sigmas(2, {.shift = 0.0}); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { turbo().make_sigmas(2, {.shift = nan}); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([] { turbo().make_sigmas(3, {.sigmas = {1.0, 0.5}}); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { turbo().make_sigmas(2, {.sigmas = {1.0, nan}}); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([] { turbo().make_sigmas(2, {.sigmas = {0.5, 0.9}}); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([] { FlowMatchScheduler({.shift = -1.0}); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("a configuration is read whole or refused", "[scheduler]") {
  const test::TempFolder folder;
  const auto load = [&](const std::string& json) {
    return FlowMatchScheduler::load(folder.write("scheduler_config.json", json));
  };
  CHECK(load("{}").config().shift == 1.0);
  CHECK(load(R"({"shift": 6.0, "use_dynamic_shifting": false})").config().shift == 6.0);
  CHECK(thrown_by([&] { load(R"({"invert_sigmas": true})"); }).says("invert_sigmas"));
  CHECK(thrown_by([&] { load(R"({"shift_terminal": 0.1})"); }).says("shift_terminal"));
  CHECK(thrown_by([&] { load(R"({"shift": "3"})"); }).says("shift"));
  CHECK(thrown_by([&] { load(R"({"shift": 0})"); }).code == ErrorCode::unsupported);
  CHECK(thrown_by([&] { load(R"({"_class_name": "EulerDiscreteScheduler"})"); }).says("EulerDiscreteScheduler"));
  CHECK(thrown_by([&] { load(R"({"time_shift_type": "cubic"})"); }).says("cubic"));
}

TEST_CASE("an Euler step follows the velocity down the noise levels", "[scheduler]") {
  const at::Tensor x = at::ones({1, 2, 2, 2}), v = at::full({1, 2, 2, 2}, 2.0);
  CHECK(at::allclose(euler_step(x, v, 0.75f, 0.5f), at::full({1, 2, 2, 2}, 0.5)));
  const auto error = thrown_by([&] { euler_step(x, v.narrow(2, 0, 1), 0.75f, 0.5f); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says("[1, 2, 2, 2], got [1, 2, 1, 2]"));
  CHECK(thrown_by([&] { scale_noise(x, at::ones({3, 5}), 0.5f); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("noise is that of a generator with the seed, all 64 bits of it", "[scheduler]") {
  CHECK(at::equal(make_noise({2, 3}, 5), make_noise({2, 3}, 5)));
  CHECK(!at::equal(make_noise({2, 3}, 5), make_noise({2, 3}, 6)));
  CHECK_NOTHROW(make_noise({2}, 0xffffffffffffffffu));
  CHECK(make_noise({0, 3}, 5).numel() == 0);
  CHECK(thrown_by([] { make_noise({2, -1}, 5); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("guidance is pos + scale * (pos - neg)", "[guidance]") {
  const at::Tensor pos = at::randn({2, 3, 4, 4}), neg = at::randn({2, 3, 4, 4});
  CHECK(at::allclose(apply_guidance(pos, neg, 2.5, 0), pos + 2.5 * (pos - neg)));

  // Normalisation item by item: never a larger norm than the positive's times the factor, and no change below it.
  const at::Tensor bounded = apply_guidance(pos, neg, 2.5, 1.0);
  for (int64_t i = 0; i < 2; ++i) {
    const at::Tensor plain = pos[i] + 2.5 * (pos[i] - neg[i]);
    const double allowed = pos[i].norm().item<double>(), found = plain.norm().item<double>();
    CHECK(at::allclose(bounded[i], found > allowed ? plain * (allowed / found) : plain, 1e-4, 1e-5));
  }
  CHECK(at::allclose(apply_guidance(pos, neg, 2.5, 1000.0), pos + 2.5 * (pos - neg)));
  // Items of any shape.
  CHECK(at::allclose(apply_guidance(pos.flatten(1), neg.flatten(1), 2.5, 1.0), bounded.flatten(1)));
}

TEST_CASE("guidance refuses what it cannot take", "[guidance]") {
  const at::Tensor pos = at::ones({2, 3, 4, 4});
  const auto error = thrown_by([&] { apply_guidance(pos, pos.narrow(0, 0, 1), 1.0, 0.0); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says("[2, 3, 4, 4] and [1, 3, 4, 4]"));
  CHECK(thrown_by([&] { apply_guidance(pos, {}, 1.0, 0.0); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { apply_guidance(pos, pos, NAN, 0.0); }).code == ErrorCode::invalid_argument);
  CHECK(thrown_by([&] { apply_guidance(pos, pos, 1.0, -1.0); }).code == ErrorCode::invalid_argument);
}

TEST_CASE("guidance ends above the truncation, strictly", "[guidance]") {
  const GuidanceOptions options{.scale = 3.0, .truncation = 0.5};
  CHECK(guidance_scale_at(options, 0.5) == 3.0);
  CHECK(guidance_scale_at(options, 0.51) == 0.0);
  CHECK(guidance_scale_at({.scale = 3.0}, 1.0) == 3.0);
}
