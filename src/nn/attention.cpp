#include "nn/attention.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "nn/attention_backends.hpp"

namespace llmdit::nn {
namespace {

using Backend = AttentionBackend;

/// [rows, keys] bool: what each of the last rows of a sequence sees.
at::Tensor causal_mask(const at::Tensor& q, int64_t rows, int64_t keys) {
  return at::ones({rows, keys}, q.options().dtype(at::kBool)).tril(keys - rows);
}

at::Tensor repeat_heads(const at::Tensor& x, int64_t heads) {
  return x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

/// A mask as what is added to the scores.
at::Tensor added(const at::Tensor& mask, const at::Tensor& q) {
  if (mask.scalar_type() != at::kBool) return mask;
  return at::zeros(mask.sizes(), q.options()).masked_fill_(mask.logical_not(), -INFINITY);
}

/// One call, its mask and its causality made what kernels have: causal only where rows and keys begin together.
struct Call {
  const at::Tensor &q, &k, &v;
  std::optional<at::Tensor> mask;
  bool causal;
  std::optional<double> scale;
};

Call make_call(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  const int64_t rows = q.size(2), keys = k.size(2);
  Call call{q, k, v, {}, options.causal, options.scale};
  // Numbers of another type than q's would be read by GPU kernels as if they were of q's.
  if (options.mask.defined())
    call.mask = options.mask.scalar_type() == at::kBool ? options.mask : options.mask.to(q.scalar_type());
  if (!call.causal || (rows == keys && !call.mask)) return call;
  call.causal = false;
  if (rows == 1) return call;  // the last row sees all
  const at::Tensor sees = causal_mask(q, rows, keys);
  if (!call.mask) {
    call.mask = sees;
  } else {
    call.mask = call.mask->scalar_type() == at::kBool ? call.mask->logical_and(sees)
                                                      : call.mask->masked_fill(sees.logical_not(), -INFINITY);
  }
  return call;
}

at::Tensor run_sdpa(const Call& c) {
  return at::scaled_dot_product_attention(c.q, c.k, c.v, c.mask, /*dropout_p=*/0.0, c.causal, c.scale,
                                          /*enable_gqa=*/c.q.size(1) != c.k.size(1));
}

at::Tensor run_math(const Call& c) {
  // It adds masks of truths as if they were numbers.
  const auto mask = c.mask ? std::optional(added(*c.mask, c.q)) : std::nullopt;
  return std::get<0>(at::_scaled_dot_product_attention_math(c.q, c.k, c.v, mask, /*dropout_p=*/0.0, c.causal,
                                                            /*dropout_mask=*/std::nullopt, c.scale,
                                                            /*enable_gqa=*/c.q.size(1) != c.k.size(1)));
}

at::Tensor run_flash(const Call& c) {
  const at::Tensor k = repeat_heads(c.k, c.q.size(1)), v = repeat_heads(c.v, c.q.size(1));
  if (c.q.is_cpu()) {
    const auto mask = c.mask ? std::optional(added(*c.mask, c.q)) : std::nullopt;
    return std::get<0>(
        at::_scaled_dot_product_flash_attention_for_cpu(c.q, k, v, /*dropout_p=*/0.0, c.causal, mask, c.scale));
  }
  if (c.q.scalar_type() == at::kFloat) {
    fail(ErrorCode::unsupported, "attention",
         "expected 16-bit numbers for flash on a GPU, got float32; load the model as bfloat16, or choose sdpa");
  }
  return std::get<0>(at::_scaled_dot_product_flash_attention(c.q, k, v, /*dropout_p=*/0.0, c.causal,
                                                             /*return_debug_mask=*/false, c.scale));
}

at::Tensor run_mem_efficient(const Call& c) {
  const at::Tensor k = repeat_heads(c.k, c.q.size(1)), v = repeat_heads(c.v, c.q.size(1));
  return std::get<0>(at::_scaled_dot_product_efficient_attention(c.q, k, v, /*attn_bias=*/std::nullopt,
                                                                 /*compute_log_sumexp=*/false, /*dropout_p=*/0.0,
                                                                 c.causal, c.scale));
}

bool takes_masks(Backend backend, const at::Tensor& q) {
  return backend == Backend::sdpa || backend == Backend::math || (backend == Backend::flash && q.is_cpu());
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionOptions& options) {
  const bool is_operator = is_operator_backend(options.backend);
  // Operators take causality from the last row themselves.
  if (is_operator && !options.mask.defined()) return run_operator(q, k, v, options);
  const Call call = make_call(q, k, v, options);
  if (call.mask && !takes_masks(options.backend, q)) return run_sdpa(call);
  switch (options.backend) {
    case Backend::math:
      return run_math(call);
    case Backend::flash:
      return run_flash(call);
    case Backend::mem_efficient:
      return run_mem_efficient(call);
    default:
      return run_sdpa(call);
  }
}

namespace {

// [batch * length, heads, head_dim] to [batch, heads, length, head_dim], without a copy.
at::Tensor heads_first(const at::Tensor& x, int64_t batch, int64_t length) {
  return x.view({batch, length, x.size(1), x.size(2)}).transpose(1, 2);
}

struct Packed {
  const at::Tensor &q, &k, &v;
};

at::Tensor dense_attention(const Packed& rows, int64_t batch, const AttentionOptions& options) {
  const int64_t length = rows.q.size(0) / batch;
  const at::Tensor out = attention(heads_first(rows.q, batch, length), heads_first(rows.k, batch, length),
                                   heads_first(rows.v, batch, length), options);
  return out.transpose(1, 2).reshape({rows.q.size(0), rows.q.size(1) * rows.q.size(2)});
}

}  // namespace

at::Tensor packed_attention(AttentionBackend backend, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& lengths, bool causal) {
  const AttentionOptions options{.backend = backend, .causal = causal};
  const bool equal = std::ranges::all_of(lengths, [&](int64_t length) { return length == lengths.front(); });
  if (equal) return dense_attention({q, k, v}, static_cast<int64_t>(lengths.size()), options);
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, length); };
    parts.push_back(dense_attention({part(q), part(k), part(v)}, 1, options));
    begin += length;
  }
  return at::cat(parts);
}

at::Tensor continued_attention(AttentionBackend backend, const at::Tensor& q, const at::Tensor& k,
                               const at::Tensor& v) {
  const int64_t count = q.size(0), heads = q.size(1), kv_heads = k.size(1);
  const at::Tensor keys = k.transpose(0, 1).unsqueeze(0), values = v.transpose(0, 1).unsqueeze(0);
  if (count == 1) {
    // One token sees all: its heads that share keys are rows of one product.
    const at::Tensor rows = q.view({1, kv_heads, heads / kv_heads, q.size(2)});
    return attention(rows, keys, values, {.backend = backend}).reshape({1, -1});
  }
  const at::Tensor out = attention(q.transpose(0, 1).unsqueeze(0), keys, values, {.backend = backend, .causal = true});
  return out[0].transpose(0, 1).reshape({count, -1});
}

}  // namespace llmdit::nn

namespace llmdit {

at::Tensor attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionOptions& options) {
  return translate_errors("attention", [&] { return nn::checked_attention(q, k, v, options); });
}

}  // namespace llmdit
