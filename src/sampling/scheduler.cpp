#include "llmdit/scheduler.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ExpandUtils.h>

#include <cmath>
#include <string_view>

#include "base/check.hpp"
#include "base/enum_table.hpp"
#include "base/translate.hpp"
#include "io/model_config.hpp"

namespace llmdit {

template <>
struct EnumTable<TimeShiftType> {
  static constexpr EnumName<TimeShiftType> names[] = {{TimeShiftType::exponential, "exponential"},
                                                      {TimeShiftType::linear, "linear"}};
};

namespace {

// Settings that would change the schedule and have one handled value.
void refuse_unhandled(const io::JsonObject& json) {
  io::expect_class(json, "FlowMatchEulerDiscreteScheduler");
  for (const char* key :
       {"invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling"}) {
    io::expect_value<bool>(json, key, false);
  }
  if (json.has("shift_terminal")) {
    fail(ErrorCode::unsupported, "scheduler", "expected shift_terminal in {} to be null, the only value handled",
         json.path().string());
  }
}

// 1 down to 1/steps in equal parts, by the routine the reference uses.
std::vector<float> even_sigmas(int64_t steps) {
  const at::Tensor sigmas = at::linspace(1.0, 1.0 / static_cast<double>(steps), steps, at::kFloat);
  const auto* data = sigmas.const_data_ptr<float>();
  return {data, data + steps};
}

void check_sigmas(const std::vector<double>& sigmas, int64_t steps) {
  check(static_cast<int64_t>(sigmas.size()) == steps, "sigmas", "expected one noise level for each of {} steps, got {}",
        steps, sigmas.size());
  double previous = 1.0;
  for (const double sigma : sigmas) {
    check(sigma > 0.0 && sigma <= previous, "sigmas",
          "expected noise levels above 0, at most 1 and never rising, got {} after {}", sigma, previous);
    previous = sigma;
  }
}

float dynamic_shift(float sigma, double mu, TimeShiftType type) {
  const auto shift = static_cast<float>(type == TimeShiftType::exponential ? std::exp(mu) : mu);
  return shift / (shift + (1.0f / sigma - 1.0f));
}

void check_lengths(const SchedulerConfig& config) {
  check(config.max_image_seq_len > config.base_image_seq_len, "scheduler",
        "expected max_image_seq_len above base_image_seq_len, got {} and {}", config.max_image_seq_len,
        config.base_image_seq_len);
}

void check_shape(bool fits, const at::Tensor& latents, const at::Tensor& other, std::string_view name,
                 std::string_view operation) {
  check(fits, operation, "expected {} of the shape of the latents, [{}], got [{}]", name,
        fmt::join(latents.sizes(), ", "), fmt::join(other.sizes(), ", "));
}

}  // namespace

FlowMatchScheduler::FlowMatchScheduler(SchedulerConfig config) : config_(config) {
  check(config_.shift > 0, "scheduler", "expected a positive shift, got {}", config_.shift);
  check(config_.num_train_timesteps == 1000, "scheduler", "expected num_train_timesteps 1000, got {}",
        config_.num_train_timesteps);
  check_lengths(config_);
}

FlowMatchScheduler FlowMatchScheduler::load(const std::filesystem::path& path) {
  const auto json = io::read_config(path, "scheduler_config.json");
  refuse_unhandled(json);
  SchedulerConfig c;
  c.num_train_timesteps = io::positive_or(json, "num_train_timesteps", c.num_train_timesteps);
  io::expect_value<int64_t>(json, "num_train_timesteps", 1000);  // the transformer's time is (1000 - timestep) / 1000
  c.shift = json.get_or("shift", c.shift);
  c.use_dynamic_shifting = json.get_or("use_dynamic_shifting", c.use_dynamic_shifting);
  c.base_shift = json.get_or("base_shift", c.base_shift);
  c.max_shift = json.get_or("max_shift", c.max_shift);
  c.base_image_seq_len = io::positive_or(json, "base_image_seq_len", c.base_image_seq_len);
  c.max_image_seq_len = io::positive_or(json, "max_image_seq_len", c.max_image_seq_len);
  const std::string type = json.get_or<std::string>("time_shift_type", "exponential");
  const auto parsed = parse_enum<TimeShiftType>(type);
  if (!parsed) {
    fail(ErrorCode::unsupported, "scheduler", "expected time_shift_type in {} to be exponential or linear, found '{}'",
         json.path().string(), type);
  }
  c.time_shift_type = *parsed;
  if (!(c.shift > 0) || c.max_image_seq_len <= c.base_image_seq_len) {
    fail(ErrorCode::unsupported, "scheduler",
         "expected a positive shift and max_image_seq_len above base_image_seq_len in {}, found {}, {}, {}",
         json.path().string(), c.shift, c.max_image_seq_len, c.base_image_seq_len);
  }
  return FlowMatchScheduler(c);
}

std::vector<float> FlowMatchScheduler::make_sigmas(int64_t num_inference_steps, const SigmaOptions& options) const {
  check(num_inference_steps >= 1, "scheduler", "expected at least 1 step, got {}", num_inference_steps);
  check(!options.shift || (*options.shift > 0 && std::isfinite(*options.shift)), "shift",
        "expected a positive number, got {}", options.shift.value_or(0));
  std::vector<float> sigmas;
  if (options.sigmas.empty()) {
    sigmas = even_sigmas(num_inference_steps);
  } else {
    check_sigmas(options.sigmas, num_inference_steps);
    sigmas.assign(options.sigmas.begin(), options.sigmas.end());
  }

  if (config_.use_dynamic_shifting && !options.shift) {
    check(options.image_seq_len.has_value(), "scheduler",
          "dynamic shifting needs image_seq_len, the number of latent patches; got none");
    const double mu = calculate_mu(config_, *options.image_seq_len);
    check(config_.time_shift_type == TimeShiftType::exponential || mu > 0, "scheduler",
          "expected a positive linear shift, but the configuration gives {} for {} latent patches", mu,
          *options.image_seq_len);
    for (float& sigma : sigmas) sigma = dynamic_shift(sigma, mu, config_.time_shift_type);
  } else {
    const double shift = options.shift.value_or(config_.shift);
    for (float& sigma : sigmas) sigma = shift_sigma(sigma, shift);
  }
  sigmas.push_back(0.0f);
  return sigmas;
}

float shift_sigma(float sigma, double shift) {
  // In float32, as numpy computes when a Python number meets a float32 array.
  const auto factor = static_cast<float>(shift);
  const auto rest = static_cast<float>(shift - 1.0);
  return factor * sigma / (1.0f + rest * sigma);
}

double calculate_mu(const SchedulerConfig& c, int64_t image_seq_len) {
  check_lengths(c);
  const double slope = (c.max_shift - c.base_shift) / static_cast<double>(c.max_image_seq_len - c.base_image_seq_len);
  return static_cast<double>(image_seq_len) * slope +
         (c.base_shift - slope * static_cast<double>(c.base_image_seq_len));
}

at::Tensor euler_step(const at::Tensor& latents, const at::Tensor& velocity, float sigma, float sigma_next) {
  return translate_errors("euler_step", [&] {
    check_shape(latents.sizes() == velocity.sizes(), latents, velocity, "velocity", "euler_step");
    return latents + velocity * (sigma_next - sigma);
  });
}

at::Tensor scale_noise(const at::Tensor& latents, const at::Tensor& noise, float sigma) {
  return translate_errors("scale_noise", [&] {
    check_shape(at::are_expandable(latents.sizes(), noise.sizes()), latents, noise, "noise", "scale_noise");
    return noise * sigma + latents * (1.0f - sigma);
  });
}

at::Tensor make_noise(at::IntArrayRef shape, uint64_t seed) {
  return translate_errors("make_noise", [&] {
    for (const int64_t size : shape)
      check(size >= 0, "make_noise", "expected sizes of at least 0, got [{}]", fmt::join(shape, ", "));
    return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions().dtype(at::kFloat));
  });
}

}  // namespace llmdit
