#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

/// "auto", "sdpa", "math", "flash", "mem_efficient", "flash_attn_2", "flash_attn_3", "sage", "xformers".
LLMDIT_EXPORT std::string_view attention_backend_name(AttentionBackend backend) noexcept;

/// Also takes "native" for sdpa. Throws invalid_argument naming the nearest known one.
LLMDIT_EXPORT AttentionBackend parse_attention_backend(std::string_view name);

/// Those that run on a device ("auto", "cpu", "cuda:0") as things are now, sdpa first. sdpa and math are everywhere;
/// flash and mem_efficient where libtorch carries them; the others once an operator library has registered
/// `llmdit_attention::<name>(Tensor q, Tensor k, Tensor v, bool causal, float scale) -> Tensor`, where q is
/// [batch, rows, heads, head_dim], k and v may have fewer heads, and causal looks from the last row of the keys.
LLMDIT_EXPORT std::vector<AttentionBackend> available_attention_backends(std::string_view device = "auto");

/// What a model that is loaded with `backend` uses on a device: that one, for automatic the one that the variable
/// LLM_DIT_ATTENTION names, else sdpa. Throws invalid_argument listing the available ones for one that is not.
LLMDIT_EXPORT AttentionBackend resolve_attention_backend(AttentionBackend backend, std::string_view device = "auto");

/// Loads a shared library whose initialisers register operators. Throws not_found with the system's reason.
LLMDIT_EXPORT void load_operator_library(const std::filesystem::path& path);

struct AttentionOptions {
  AttentionBackend backend = AttentionBackend::automatic;
  at::Tensor mask{};    ///< [.., rows, key rows]: bool, true is seen; or added to the scores. Needs sdpa or math
  bool causal = false;  ///< a row sees the keys up to its own place, counted from the last
  std::optional<double> scale{};  ///< not given: 1 / sqrt(head_dim)
};

/// softmax(q k^T * scale) v. q [batch, heads, rows, head_dim], k and v [batch, kv_heads, key rows, head_dim], whose
/// heads divide those of q. Throws invalid_argument for other shapes, and where the backend cannot take the call.
LLMDIT_EXPORT at::Tensor attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                           const AttentionOptions& options = {});

}  // namespace llmdit
