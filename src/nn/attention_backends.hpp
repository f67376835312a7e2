#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "llmdit/attention.hpp"

namespace llmdit::nn {

/// Whether the backend is one that an operator library has to bring.
bool is_operator_backend(AttentionBackend backend);

/// attention_forward.
at::Tensor checked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionOptions& options);

/// The call by the operator that is registered for the backend. No mask.
at::Tensor run_operator(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options);

bool is_available(AttentionBackend backend, const c10::Device& device);

/// Never automatic. Throws invalid_argument listing what is available; unsupported for an operator that, tried on a few
/// numbers, does not give what math gives.
AttentionBackend resolve_attention(AttentionBackend backend, const c10::Device& device);

}  // namespace llmdit::nn
