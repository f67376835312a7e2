#include "models/context_refiner.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "nn/attention.hpp"
#include "nn/layers.hpp"
#include "nn/rope.hpp"

namespace llmdit::models {
namespace {

constexpr double refiner_qk_norm_eps = 1e-5;  // fixed in the reference, unlike norm_eps
constexpr int64_t most = int64_t{1} << 24;

void check_size(const char* name, int64_t value) {
  check(value >= 1 && value <= most, "context_refiner", "expected {} from 1 to {}, got {}", name, most, value);
}

std::array<int64_t, 3> published_split(int64_t head_dim) {
  check(head_dim % 16 == 0, "context_refiner",
        "expected heads whose width is a multiple of 16, got {}; give axes_dims for another", head_dim);
  return {head_dim / 4, head_dim / 8 * 3, head_dim / 8 * 3};
}

void check_axes(const std::array<int64_t, 3>& axes, int64_t head_dim) {
  const bool even = std::ranges::all_of(axes, [](int64_t size) { return size >= 0 && size <= most && size % 2 == 0; });
  check(even && axes[0] + axes[1] + axes[2] == head_dim, "context_refiner",
        "expected axes_dims of three even numbers whose sum is dim / n_heads = {}, got [{}]", head_dim,
        fmt::join(axes, ", "));
}

}  // namespace

ContextRefinerConfig resolved(ContextRefinerConfig c) {
  if (!c.n_kv_heads) c.n_kv_heads = c.n_heads;
  if (!c.ffn_hidden)
    c.ffn_hidden = static_cast<int64_t>(static_cast<double>(c.dim) / 3 * 8);  // as the reference rounds
  check_size("dim", c.dim);
  check_size("n_layers", c.n_layers);
  check_size("n_heads", c.n_heads);
  check_size("n_kv_heads", *c.n_kv_heads);
  check_size("ffn_hidden", *c.ffn_hidden);
  check_size("max_seq_len", c.max_seq_len);
  check(c.norm_eps >= 0 && std::isfinite(c.norm_eps), "context_refiner", "expected norm_eps of at least 0, got {}",
        c.norm_eps);
  check(c.rope_theta > 0 && std::isfinite(c.rope_theta), "context_refiner", "expected rope_theta above 0, got {}",
        c.rope_theta);
  check(c.dim % c.n_heads == 0 && c.dim / c.n_heads % 2 == 0, "context_refiner",
        "expected dim / n_heads to be an even whole number, got {} / {}", c.dim, c.n_heads);
  check(c.n_heads % *c.n_kv_heads == 0, "context_refiner",
        "expected n_heads to be a multiple of n_kv_heads, got {} and {}", c.n_heads, *c.n_kv_heads);
  const int64_t head_dim = c.dim / c.n_heads;
  if (c.legacy_rope) {
    check(!c.axes_dims, "context_refiner", "expected no axes_dims with legacy_rope, which has one axis, got [{}]",
          fmt::join(c.axes_dims.value_or(std::array<int64_t, 3>{}), ", "));
  } else {
    if (!c.axes_dims) c.axes_dims = published_split(head_dim);
    check_axes(*c.axes_dims, head_dim);
  }
  return c;
}

at::Tensor refiner_freqs(const ContextRefinerConfig& c, const at::Tensor& positions) {
  if (c.legacy_rope) return nn::rope_factors(positions, c.dim / c.n_heads, c.rope_theta);
  std::vector<at::Tensor> axes;
  for (int64_t axis = 0; axis < 3; ++axis) {
    // One position stands on the first axis, at 0 on the others, where nothing turns.
    const at::Tensor at_axis = positions.dim() == 2 ? positions.select(1, axis)
                               : axis == 0          ? positions
                                                    : at::zeros_like(positions);
    axes.push_back(nn::rope_factors(at_axis, (*c.axes_dims)[static_cast<size_t>(axis)], c.rope_theta));
  }
  return at::cat(axes, 1);
}

// --- block
// --------------------------------------------------------------------------------------------------------------------

/// A parameter: its name, where it is kept, and its shape, which is empty when the block has none.
struct RefinerBlock::Slot {
  const char* name;
  at::Tensor RefinerBlock::* tensor;
  std::vector<int64_t> (*shape)(const ContextRefinerConfig&);
};

const std::vector<RefinerBlock::Slot>& RefinerBlock::slots() {
  using Config = ContextRefinerConfig;
  using Shape = std::vector<int64_t>;
  constexpr auto square = [](const Config& c) -> Shape { return {c.dim, c.dim}; };
  constexpr auto grouped = [](const Config& c) -> Shape { return {c.dim / c.n_heads * *c.n_kv_heads, c.dim}; };
  constexpr auto head = [](const Config& c) -> Shape { return c.qk_norm ? Shape{c.dim / c.n_heads} : Shape{}; };
  constexpr auto widening = [](const Config& c) -> Shape { return {*c.ffn_hidden, c.dim}; };
  constexpr auto narrowing = [](const Config& c) -> Shape { return {c.dim, *c.ffn_hidden}; };
  constexpr auto row = [](const Config& c) -> Shape { return {c.dim}; };
  static const std::vector<Slot> list = {
      {"attention.norm_q.weight", &RefinerBlock::norm_q_, head},
      {"attention.norm_k.weight", &RefinerBlock::norm_k_, head},
      {"attention.to_q.weight", &RefinerBlock::to_q_, square},
      {"attention.to_k.weight", &RefinerBlock::to_k_, grouped},
      {"attention.to_v.weight", &RefinerBlock::to_v_, grouped},
      {"attention.to_out.0.weight", &RefinerBlock::to_out_, square},
      {"feed_forward.w1.weight", &RefinerBlock::w1_, widening},
      {"feed_forward.w2.weight", &RefinerBlock::w2_, narrowing},
      {"feed_forward.w3.weight", &RefinerBlock::w3_, widening},
      {"attention_norm1.weight", &RefinerBlock::attention_norm1_, row},
      {"ffn_norm1.weight", &RefinerBlock::ffn_norm1_, row},
      {"attention_norm2.weight", &RefinerBlock::attention_norm2_, row},
      {"ffn_norm2.weight", &RefinerBlock::ffn_norm2_, row},
  };
  return list;
}

RefinerBlock::RefinerBlock(const ContextRefinerConfig& c, const Computation& computation, const std::string& prefix,
                           const ParameterSource& source)
    : head_dim_(c.dim / c.n_heads), norm_eps_(c.norm_eps), computation_(computation) {
  for (const Slot& slot : slots()) {
    if (const auto shape = slot.shape(c); !shape.empty()) this->*slot.tensor = source(prefix + slot.name, shape);
  }
}

std::vector<std::pair<std::string, at::Tensor>> RefinerBlock::named_parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (const Slot& slot : slots()) {
    if ((this->*slot.tensor).defined()) result.emplace_back(slot.name, this->*slot.tensor);
  }
  return result;
}

std::vector<at::Tensor> RefinerBlock::parameters() const {
  std::vector<at::Tensor> result;
  for (const auto& [name, parameter] : named_parameters()) result.push_back(parameter);
  return result;
}

RefinerBlock RefinerBlock::with(at::TensorList parameters) const {
  RefinerBlock block = *this;
  auto next = parameters.begin();
  for (const Slot& slot : slots()) {
    if ((block.*slot.tensor).defined()) block.*slot.tensor = *next++;
  }
  return block;
}

at::Tensor RefinerBlock::linear(const at::Tensor& x, const at::Tensor& weight) const {
  return at::linear(x, weight.to(computation_.type));
}

at::Tensor RefinerBlock::norm(const at::Tensor& x, const at::Tensor& weight, double eps) const {
  return at::rms_norm(x, weight.sizes(), weight.to(computation_.type), eps);
}

at::Tensor RefinerBlock::attention(const at::Tensor& x, const PackedRows& rows) const {
  const auto split_heads = [&](const at::Tensor& y) { return y.view({y.size(0), -1, head_dim_}); };
  at::Tensor q = split_heads(linear(x, to_q_));
  at::Tensor k = split_heads(linear(x, to_k_));
  if (norm_q_.defined()) q = norm(q, norm_q_, refiner_qk_norm_eps);
  if (norm_k_.defined()) k = norm(k, norm_k_, refiner_qk_norm_eps);
  q = nn::rotate_pairs(q, rows.freqs_cis);
  k = nn::rotate_pairs(k, rows.freqs_cis);
  return linear(nn::packed_attention(computation_.attention, q, k, split_heads(linear(x, to_v_)), rows.lengths),
                to_out_);
}

at::Tensor RefinerBlock::feed_forward(const at::Tensor& x) const {
  return linear(at::silu(linear(x, w1_)) * linear(x, w3_), w2_);
}

at::Tensor RefinerBlock::operator()(const PackedRows& rows) const {
  // x += norm2(attention(norm1(x)));  x += ffn_norm2(feed_forward(ffn_norm1(x)))
  const at::Tensor x =
      rows.x + norm(attention(norm(rows.x, attention_norm1_, norm_eps_), rows), attention_norm2_, norm_eps_);
  return x + norm(feed_forward(norm(x, ffn_norm1_, norm_eps_)), ffn_norm2_, norm_eps_);
}

}  // namespace llmdit::models
