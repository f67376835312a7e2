#include "models/latent_preview.hpp"

#include <ATen/ATen.h>

#include "llmdit/scheduler.hpp"

namespace llmdit::models {
namespace {

/// Latents [batch, channels, h, w] as rows with a one at the end.
at::Tensor as_rows(const at::Tensor& latents) {
  const at::Tensor rows = latents.permute({0, 2, 3, 1}).flatten(0, 2);
  return at::cat({rows, at::ones({rows.size(0), 1}, rows.options())}, 1);
}

}  // namespace

at::Tensor fit_colors(const std::function<at::Tensor(const at::Tensor&)>& decode, int64_t channels, int64_t scale) {
  // Soft blobs of every color, as pictures have them: a decoder makes little of latents without neighbours.
  constexpr int64_t count = 8, blobs = 4, side = 16;
  constexpr double ridge = 1e-4;
  const at::Tensor latents =
      at::upsample_bilinear2d(make_noise({count, channels, blobs, blobs}, 0), {side, side}, false);
  std::vector<at::Tensor> colors;
  for (const at::Tensor& one : latents.split(1))
    colors.push_back(at::avg_pool2d(decode(one).to(at::kCPU, at::kFloat), {scale, scale}).clamp(-1.0, 1.0));
  const at::Tensor x = as_rows(latents).to(at::kDouble);
  const at::Tensor y = at::cat(colors).permute({0, 2, 3, 1}).flatten(0, 2).to(at::kDouble) * 0.5 + 0.5;
  const at::Tensor damping = at::eye(channels + 1, x.options()) * (ridge * static_cast<double>(x.size(0)));
  return at::linalg_solve(x.t().matmul(x) + damping, x.t().matmul(y)).to(at::kFloat);
}

at::Tensor apply_colors(const at::Tensor& latents, const at::Tensor& map) {
  const int64_t batch = latents.size(0), h = latents.size(2), w = latents.size(3);
  return as_rows(latents).matmul(map).clamp(0.0, 1.0).view({batch, h, w, 3}).permute({0, 3, 1, 2});
}

}  // namespace llmdit::models
