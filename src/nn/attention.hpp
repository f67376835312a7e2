#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "llmdit/attention.hpp"

namespace llmdit::nn {

/// softmax(q k^T * scale) v as attention_forward has it, of tensors that are known to fit. The backend has been
/// resolved; what it cannot take (a mask, on a GPU) goes to sdpa.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options);

/// softmax(q k^T / sqrt(head_dim)) v within each of several sequences that lie one after another in the rows.
/// q [rows, heads, head_dim], k and v [rows, kv_heads, head_dim]; lengths sum to rows. Gives [rows, heads * head_dim].
at::Tensor packed_attention(AttentionBackend backend, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& lengths, bool causal = false);

/// Causal attention of the newest tokens of a sequence: q [new, heads, head_dim] belongs to the last of k and v
/// [tokens, kv_heads, head_dim]. Gives [new, heads * head_dim].
at::Tensor continued_attention(AttentionBackend backend, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace llmdit::nn
