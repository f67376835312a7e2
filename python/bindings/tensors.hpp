#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <vector>

namespace llmdit::python {

/// The library computes in inference mode; what leaves it for Python is an ordinary tensor over the same memory, which
/// may be changed in place and take part in autograd. For what nobody else holds.
inline at::Tensor ordinary(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_inference()) return tensor;
  const c10::InferenceMode off(false);
  return at::empty({0}, tensor.options())
      .set_(tensor.storage(), tensor.storage_offset(), tensor.sizes(), tensor.strides());
}

inline std::vector<at::Tensor> ordinary(std::vector<at::Tensor> tensors) {
  for (at::Tensor& tensor : tensors) tensor = ordinary(tensor);
  return tensors;
}

/// The same for what the library goes on using: writing to it must do no harm.
inline at::Tensor ordinary_copy(const at::Tensor& tensor) {
  const c10::InferenceMode off(false);
  return tensor.defined() && tensor.is_inference() ? tensor.clone() : tensor;
}

inline std::vector<at::Tensor> ordinary_copy(std::vector<at::Tensor> tensors) {
  for (at::Tensor& tensor : tensors) tensor = ordinary_copy(tensor);
  return tensors;
}

}  // namespace llmdit::python
