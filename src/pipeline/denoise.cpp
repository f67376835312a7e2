#include "pipeline/denoise.hpp"

#include <ATen/ATen.h>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "base/stopwatch.hpp"
#include "llmdit/scheduler.hpp"
#include "models/step_cache.hpp"

namespace llmdit {

/// The transformer with what one run keeps from step to step.
class StepRunner {
 public:
  StepRunner(const ZImageTransformer& transformer, double step_cache, const std::stop_token& stop)
      : transformer_(transformer), stop_(stop) {
    if (step_cache > 0) cache_.emplace(step_cache);
  }

  /// latents [batch, channels, h, w] float32, all at time t.
  at::Tensor forward(const at::Tensor& latents, float t, const Conditioning& conditioning) {
    const at::Tensor times = at::full({latents.size(0)}, t);
    return transformer_.forward(latents, times, conditioning, cache_ ? &*cache_ : nullptr, stop_).to(latents.options());
  }

  bool reused_last() const { return cache_ && cache_->was_used(); }

 private:
  const ZImageTransformer& transformer_;
  std::stop_token stop_;
  std::optional<models::StepCache> cache_;
};

namespace {

Conditioning concatenate(const Conditioning& a, const Conditioning& b) {
  Conditioning both = a;
  both.captions.insert(both.captions.end(), b.captions.begin(), b.captions.end());
  return both;
}

// The transformer's time runs from 0 (noise) to 1 (picture); written as the reference rounds it.
float model_time(float sigma) { return (1000.0f - sigma * 1000.0f) / 1000.0f; }

/// The velocity that the Euler step follows: the transformer's prediction, guided, with its sign turned.
at::Tensor predict_velocity(StepRunner& runner, const DenoiseInputs& in, const Conditioning& both,
                            const at::Tensor& latents, float sigma) {
  const float t = model_time(sigma);
  const int64_t batch = latents.size(0);
  const double scale = in.negative.captions.empty() ? 0.0 : guidance_scale_at(in.guidance, t);
  if (scale <= 0) return -runner.forward(latents, t, in.positive);
  const at::Tensor output = runner.forward(at::cat({latents, latents}), t, both);
  return -apply_guidance(output.narrow(0, 0, batch), output.narrow(0, batch, batch), scale, in.guidance.normalization);
}

/// Latents with the original, at their noise level, where the mask keeps it.
at::Tensor keep_original(const Repaint& repaint, const at::Tensor& latents, float sigma) {
  return (1.0 - repaint.mask) * scale_noise(repaint.original, repaint.noise, sigma) + repaint.mask * latents;
}

}  // namespace

DenoiseResult denoise(const ZImageTransformer& transformer, const DenoiseInputs& inputs, const StepCallback& on_step,
                      const std::stop_token& stop) {
  const Conditioning both = concatenate(inputs.positive, inputs.negative);
  const auto total = static_cast<int64_t>(inputs.sigmas.size()) - 1;
  StepRunner runner(transformer, inputs.step_cache, stop);
  DenoiseResult result{.latents = inputs.latents, .step_seconds = {}, .reused_steps = {}};
  for (int64_t step = 0; step < total; ++step) {
    check_stop(stop, "denoise");
    Stopwatch watch;
    const float sigma = inputs.sigmas[step], sigma_next = inputs.sigmas[step + 1];
    const at::Tensor velocity = predict_velocity(runner, inputs, both, result.latents, sigma);
    if (runner.reused_last()) result.reused_steps.push_back(step);
    result.latents = euler_step(result.latents, velocity, sigma, sigma_next);
    if (inputs.repaint) result.latents = keep_original(*inputs.repaint, result.latents, sigma_next);
    if (!at::isfinite(result.latents).all().item<bool>()) {
      fail(ErrorCode::internal, "denoise",
           "the latents are not finite after step {} of {}; check the weights and the guidance", step + 1, total);
    }
    result.step_seconds.push_back(watch.lap());
    if (on_step && on_step({.step = step, .total = total, .sigma = sigma_next, .latents = result.latents})) {
      fail(ErrorCode::cancelled, "denoise", "stopped by on_step after step {} of {}", step + 1, total);
    }
  }
  return result;
}

}  // namespace llmdit
