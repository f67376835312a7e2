#include "nn/rope.hpp"

#include <ATen/ATen.h>

namespace llmdit::nn {

at::Tensor rope_table(int64_t length, int64_t dim, double theta) {
  return rope_factors(at::arange(length, at::kDouble), dim, theta);
}

at::Tensor rope_factors(const at::Tensor& positions, int64_t dim, double theta) {
  const at::Tensor frequencies = 1.0 / at::pow(theta, at::arange(0, dim, 2, at::kDouble) / dim);
  const at::Tensor angles = at::outer(positions.to(at::kDouble), frequencies).to(at::kFloat);
  return at::polar(at::ones_like(angles), angles);
}

at::Tensor rotate_pairs(at::Tensor x, const at::Tensor& freqs_cis) {
  const at::Tensor wide = x.to(at::kFloat);  // x itself when it is float32 already
  at::view_as_complex(wide.unflatten(-1, {-1, 2})).mul_(freqs_cis.unsqueeze(1));
  return wide.to(x.scalar_type());
}

RopeHalves rope_halves(int64_t length, int64_t dim, double theta, const at::TensorOptions& options) {
  return rope_halves(at::arange(length, options.dtype(at::kFloat)), dim, theta, options);
}

RopeHalves rope_halves(const at::Tensor& positions, int64_t dim, double theta, const at::TensorOptions& options) {
  const auto float32 = options.dtype(at::kFloat);
  const at::Tensor inverse = 1.0 / at::pow(theta, at::arange(0, dim, 2, float32) / dim);
  at::Tensor angles = at::outer(positions, inverse);
  angles = at::cat({angles, angles}, -1);
  return {angles.cos().to(options.dtype()), angles.sin().to(options.dtype())};
}

at::Tensor rotate_halves(const at::Tensor& x, const RopeHalves& rope) {
  const auto halves = x.chunk(2, -1);
  const at::Tensor turned = at::cat({-halves[1], halves[0]}, -1);
  return x * rope.cos.unsqueeze(1) + turned * rope.sin.unsqueeze(1);
}

}  // namespace llmdit::nn
