#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

enum class TimeShiftType { exponential, linear };

/// `scheduler_config.json` of a FlowMatchEulerDiscreteScheduler; the defaults are that class's.
struct SchedulerConfig {
  int64_t num_train_timesteps = 1000;
  double shift = 1.0;
  bool use_dynamic_shifting = false;
  double base_shift = 0.5;
  double max_shift = 1.15;
  int64_t base_image_seq_len = 256;
  int64_t max_image_seq_len = 4096;
  TimeShiftType time_shift_type = TimeShiftType::exponential;
};

struct SigmaOptions {
  std::optional<double> shift{};  ///< static shift; not given: the configuration's, or its dynamic shift
  std::vector<double>
      sigmas;  ///< own noise levels before the shift, each above 0 and not rising; empty: 1 down to 1/steps
  std::optional<int64_t> image_seq_len{};  ///< latent patches of the picture, for dynamic shifting
};

/// Flow matching with Euler steps, as diffusers' FlowMatchEulerDiscreteScheduler. Knows no model; immutable.
class LLMDIT_EXPORT FlowMatchScheduler {
 public:
  explicit FlowMatchScheduler(SchedulerConfig config = {});

  /// A scheduler folder or its `scheduler_config.json`. Throws unsupported for a setting that would change the schedule
  /// and is not handled, rather than to ignore it.
  static FlowMatchScheduler load(const std::filesystem::path& path);

  /// Noise levels [steps + 1], from 1 down to the final 0, in float32 arithmetic.
  /// Throws invalid_argument for steps < 1, a shift that is not positive, or sigmas whose number is not `steps`.
  std::vector<float> make_sigmas(int64_t num_inference_steps, const SigmaOptions& options = {}) const;

  const SchedulerConfig& config() const { return config_; }

 private:
  SchedulerConfig config_;
};

/// shift * sigma / (1 + (shift - 1) * sigma).
LLMDIT_EXPORT float shift_sigma(float sigma, double shift);

/// The argument of dynamic shifting: linear in the number of latent patches. With exponential shifting the shift is
/// exp(mu).
LLMDIT_EXPORT double calculate_mu(const SchedulerConfig& config, int64_t image_seq_len);

/// One Euler step: latents + (sigma_next - sigma) * velocity, float32 [batch, channels, h, w].
LLMDIT_EXPORT at::Tensor euler_step(const at::Tensor& latents, const at::Tensor& velocity, float sigma,
                                    float sigma_next);

/// Latents at noise level sigma: sigma * noise + (1 - sigma) * latents, both float32 [batch, channels, h, w] or of
/// shapes that broadcast.
LLMDIT_EXPORT at::Tensor scale_noise(const at::Tensor& latents, const at::Tensor& noise, float sigma);

/// Noise of `seed`: the numbers of torch.randn with torch.Generator('cpu').manual_seed(seed), float32 on the CPU.
LLMDIT_EXPORT at::Tensor make_noise(at::IntArrayRef shape, uint64_t seed);

}  // namespace llmdit
