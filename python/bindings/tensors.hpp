#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <vector>

namespace llmdit::python {

/// The library computes in inference mode; what leaves it for Python is an ordinary tensor, which may be changed in
/// place and take part in autograd. Copies only what was made in inference mode.
inline at::Tensor ordinary(const at::Tensor& tensor) {
  const c10::InferenceMode off(false);
  return tensor.defined() && tensor.is_inference() ? tensor.clone() : tensor;
}

inline std::vector<at::Tensor> ordinary(std::vector<at::Tensor> tensors) {
  for (at::Tensor& tensor : tensors) tensor = ordinary(tensor);
  return tensors;
}

}  // namespace llmdit::python
