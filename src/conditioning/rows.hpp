#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/translate.hpp"

namespace llmdit::conditioning {

/// Runs a public function: no gradients, and no other errors than ours.
template <class Work>
auto compute(std::string_view operation, Work&& work) {
  const c10::NoGradGuard guard;
  return translate_errors(operation, std::forward<Work>(work));
}

/// Embeddings [rows, hidden] as they are computed with: float32, or float64 when they are. `what` names them in errors.
at::Tensor to_rows(const at::Tensor& embeddings, std::string_view operation, std::string_view what);

/// A computed result in dtype and on the device of `like`. Throws invalid_argument when it does not fit there.
at::Tensor to_output(const at::Tensor& result, const at::Tensor& like, std::string_view operation);

/// Both sides of a blend in the type and on the device of the text, equally wide.
struct Sides {
  at::Tensor vl;
  at::Tensor text;
  int64_t common;  ///< the rows both have

  at::Tensor common_vl() const { return vl.narrow(0, 0, common); }
  at::Tensor common_text() const { return text.narrow(0, 0, common); }
  /// The text with its first `common` rows replaced.
  at::Tensor with_common(const at::Tensor& rows) const;
};

Sides to_sides(const at::Tensor& vl, const at::Tensor& text, std::string_view operation);

void check_alpha(double alpha, std::string_view operation);

/// alpha * vl + (1 - alpha) * text; exactly the text for 0 and exactly vl for 1. `alpha`: a number or a tensor.
template <class Alpha>
at::Tensor mix(const Alpha& alpha, const at::Tensor& vl, const at::Tensor& text) {
  return vl * alpha + text * (1 - alpha);
}

/// Unbiased standard deviation along `dims`, which are kept. Throws invalid_argument where that is of a single number,
/// or of numbers so large that their squares overflow.
at::Tensor deviation(const at::Tensor& rows, at::IntArrayRef dims, std::string_view operation);
/// The same of all numbers.
double deviation(const at::Tensor& rows, std::string_view operation);

/// `rows` [m, hidden] at `count` places, linearly between two rows: place j lies at (j + 0.5) * m / count - 0.5.
at::Tensor resample(const at::Tensor& rows, int64_t count);

/// Deviations below this count as this much where something is divided by them.
inline constexpr double least_deviation = 1e-6;

}  // namespace llmdit::conditioning
