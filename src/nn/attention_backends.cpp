#include "nn/attention_backends.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/attention_table.hpp"
#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "io/encoding.hpp"
#include "nn/attention.hpp"
#include "nn/placement.hpp"

namespace llmdit::nn {
namespace {

using Backend = AttentionBackend;
using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, bool, double);

std::string operator_name(Backend backend) { return fmt::format("llmdit_attention::{}", enum_name(backend)); }

/// The operator with a kernel for the device.
std::optional<c10::OperatorHandle> find_operator(const std::string& name, const c10::Device& device) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  const auto key = device.is_cpu() ? c10::DispatchKey::CPU : c10::DispatchKey::CUDA;
  return found && found->hasComputedKernelForDispatchKey(key) ? found : std::nullopt;
}

std::vector<std::string_view> names_of_available(const c10::Device& device) {
  std::vector<std::string_view> names;
  for (const Backend backend : available_attention_backends(device.str())) names.push_back(enum_name(backend));
  return names;
}

/// Fixed numbers of an odd length and a head of the real width, in a type that every kernel takes.
void try_operator(Backend backend, const c10::Device& device) {
  const auto type = device.is_cpu() ? at::kFloat : at::kBFloat16;
  const auto numbers = [&](double frequency) {
    const at::Tensor line = at::arange(2 * 37 * 128, at::TensorOptions().device(device).dtype(at::kFloat));
    return at::sin(line * frequency).view({1, 2, 37, 128}).to(type);
  };
  const at::Tensor q = numbers(0.7), k = numbers(1.3), v = numbers(2.1);
  at::Tensor got;
  try {
    got = attention(q, k, v, {.backend = backend}).to(at::kFloat);
  } catch (const c10::Error& error) {
    fail(ErrorCode::unsupported, "attention_backend",
         "expected the operator {} to take (Tensor q, Tensor k, Tensor v, bool causal, float scale), but it fails: {}",
         operator_name(backend), error.what_without_backtrace());
  }
  const at::Tensor wanted = attention(q, k, v, {.backend = Backend::math}).to(at::kFloat);
  const bool same_shape = got.sizes() == wanted.sizes();
  const double distance = same_shape ? ((got - wanted).norm() / wanted.norm()).item<double>() : 1.0;
  if (distance <= 0.05) return;  // 8 bits, as sage has them, stay well below
  fail(
      ErrorCode::unsupported, "attention_backend",
      "expected the operator {} to give what math gives, got {} from that; update the library, or choose another of {}",
      operator_name(backend), same_shape ? fmt::format("a relative distance of {:.2g}", distance) : "another shape",
      fmt::join(names_of_available(device), ", "));
}

/// The backend that LLM_DIT_ATTENTION names; sdpa without it.
Backend preferred() {
  const char* text = std::getenv("LLM_DIT_ATTENTION");
  const Backend named = text && *text ? parse_attention_backend(text) : Backend::automatic;
  return named == Backend::automatic ? Backend::sdpa : named;
}

/// What the kernels would refuse in libtorch's words.
void check_shapes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  for (const auto& [name, x] : {std::pair("q", &q), std::pair("k", &k), std::pair("v", &v)}) {
    check(x->defined() && x->dim() == 4 && x->numel() > 0, "attention",
          "expected {} of [batch, heads, rows, head_dim], got {}", name,
          x->defined() ? fmt::format("[{}]", fmt::join(x->sizes(), ", ")) : "none");
    check(x->device() == q.device() && x->scalar_type() == q.scalar_type() && at::isFloatingType(x->scalar_type()),
          "attention", "expected floats of one type on one device, got {} of {} on {}", name,
          c10::toString(x->scalar_type()), x->device().str());
  }
  check(k.sizes() == v.sizes() && k.size(0) == q.size(0) && k.size(3) == q.size(3) && q.size(1) % k.size(1) == 0,
        "attention", "expected k and v of [{}, a divisor of {} heads, rows, {}], got [{}] and [{}]", q.size(0),
        q.size(1), q.size(3), fmt::join(k.sizes(), ", "), fmt::join(v.sizes(), ", "));
}

void check_mask(const at::Tensor& q, const at::Tensor& k, const AttentionOptions& options) {
  const at::Tensor& mask = options.mask;
  if (!mask.defined()) return;
  const std::vector<int64_t> scores = {q.size(0), q.size(1), q.size(2), k.size(2)};
  bool fits = mask.dim() >= 2 && mask.dim() <= 4 && mask.device() == q.device();
  for (int64_t axis = 1; fits && axis <= mask.dim(); ++axis)
    fits = mask.size(-axis) == 1 || mask.size(-axis) == scores[static_cast<size_t>(4 - axis)];
  check(fits && (mask.scalar_type() == at::kBool || at::isFloatingType(mask.scalar_type())), "attention",
        "expected a mask of bool or floats that spreads to [{}], got {} [{}]", fmt::join(scores, ", "),
        c10::toString(mask.scalar_type()), fmt::join(mask.sizes(), ", "));
  const bool takes_masks = options.backend == Backend::sdpa || options.backend == Backend::math ||
                           (options.backend == Backend::flash && q.is_cpu());
  check(takes_masks, "attention", "expected no mask for {}, got one; choose sdpa or math", enum_name(options.backend));
}

}  // namespace

bool is_operator_backend(AttentionBackend backend) {
  return backend == Backend::flash_attn_2 || backend == Backend::flash_attn_3 || backend == Backend::sage ||
         backend == Backend::xformers;
}

at::Tensor run_operator(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const AttentionOptions& options) {
  const std::string name = operator_name(options.backend);
  const auto found = find_operator(name, q.device());
  if (!found) {
    fail(ErrorCode::unsupported, "attention", "expected an operator {} for {}, found none; load its library again",
         name, q.device().str());
  }
  const double scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(q.size(3))));
  const auto rows_first = [](const at::Tensor& x) { return x.transpose(1, 2); };
  return rows_first(found->typed<Signature>().call(rows_first(q), rows_first(k), rows_first(v), options.causal, scale));
}

bool is_available(AttentionBackend backend, const c10::Device& device) {
  switch (backend) {
    case Backend::automatic:
    case Backend::sdpa:
    case Backend::math:
      return true;
    case Backend::flash:
      return device.is_cpu() || find_operator("aten::_scaled_dot_product_flash_attention", device).has_value();
    case Backend::mem_efficient:
      return !device.is_cpu() && find_operator("aten::_scaled_dot_product_efficient_attention", device).has_value();
    default:
      return find_operator(operator_name(backend), device).has_value();
  }
}

AttentionBackend resolve_attention(AttentionBackend backend, const c10::Device& device) {
  if (backend == Backend::automatic) backend = preferred();
  if (!is_available(backend, device)) {
    const std::string advice = is_operator_backend(backend)
                                   ? fmt::format("; {} comes with an operator library that registers {}",
                                                 enum_name(backend), operator_name(backend))
                                   : "";
    fail(ErrorCode::invalid_argument, "attention_backend", "expected one that is available on {}: {}; got {}{}",
         device.str(), fmt::join(names_of_available(device), ", "), enum_name(backend), advice);
  }
  if (is_operator_backend(backend)) try_operator(backend, device);
  return backend;
}

at::Tensor checked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionOptions& options) {
  check_shapes(q, k, v);
  AttentionOptions resolved = options;
  resolved.backend = resolve_attention(options.backend, q.device());
  check_mask(q, k, resolved);
  check(!options.scale || std::isfinite(*options.scale), "attention", "expected a finite scale, got {}",
        *options.scale);
  return attention(q, k, v, resolved);
}

}  // namespace llmdit::nn

namespace llmdit {

std::string_view attention_backend_name(AttentionBackend backend) noexcept { return enum_name(backend); }

AttentionBackend parse_attention_backend(std::string_view name) {
  return parse_choice<AttentionBackend>("attention_backend", name);
}

std::vector<AttentionBackend> available_attention_backends(std::string_view device) {
  const c10::Device place = nn::resolve_device(std::string(device));
  std::vector<AttentionBackend> backends;
  for (const auto& [backend, name] : EnumTable<AttentionBackend>::names) {
    const bool is_listed = backend != AttentionBackend::automatic && enum_name(backend) == name;
    if (is_listed && nn::is_available(backend, place)) backends.push_back(backend);
  }
  return backends;
}

AttentionBackend resolve_attention_backend(AttentionBackend backend, std::string_view device) {
  return nn::resolve_attention(backend, nn::resolve_device(std::string(device)));
}

void load_operator_library(const std::filesystem::path& path) {
  // Never closed: the dispatcher keeps pointers into it.
  if (::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
  const char* reason = ::dlerror();
  fail(ErrorCode::not_found, "attention", "cannot load {}: {}", io::printable_path(path), reason ? reason : "unknown");
}

}  // namespace llmdit
