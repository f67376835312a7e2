#include "llmdit/compress.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "conditioning/long_prompt_mode.hpp"

namespace llmdit {
namespace {

/// Row j of m is the point j * (n - 1) / (m - 1) of n rows. In integers: float32 positions err by 1e-4 of a row.
at::Tensor interpolate(const at::Tensor& rows, int64_t m) {
  const int64_t n = rows.size(0), gaps = std::max<int64_t>(1, m - 1);
  const at::Tensor points = at::arange(m, at::kLong) * (n - 1);
  const at::Tensor below = at::floor_divide(points, gaps);
  const at::Tensor share = ((points - below * gaps).to(at::kDouble) / static_cast<double>(gaps)).to(rows.options());
  const at::Tensor above = at::clamp_max(below + 1, n - 1);
  const auto take = [&](const at::Tensor& index) { return rows.index_select(0, index.to(rows.device())); };
  return at::lerp(take(below), take(above), share.unsqueeze(1));
}

/// Row j of m is the mean of rows floor(j * n / m) to ceil((j + 1) * n / m) - 1.
at::Tensor pool(const at::Tensor& rows, int64_t m) {
  return at::adaptive_avg_pool1d(rows.t().unsqueeze(0), {m}).squeeze(0).t().contiguous();
}

/// How little a row is like the two on each side of it, from 0.1 up: [n].
at::Tensor distinctness(const at::Tensor& rows) {
  constexpr int64_t reach = 2;
  const int64_t n = rows.size(0);
  const at::Tensor unit = rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  at::Tensor similarity = at::zeros({n}, rows.options()), neighbours = at::zeros({n}, rows.options());
  for (int64_t distance = 1; distance <= std::min(reach, n - 1); ++distance) {
    const int64_t pairs = n - distance;
    const at::Tensor cosine = (unit.narrow(0, 0, pairs) * unit.narrow(0, distance, pairs)).sum(1);
    // Each pair counts for both of its rows.
    similarity = similarity + at::constant_pad_nd(cosine, {0, distance}) + at::constant_pad_nd(cosine, {distance, 0});
    neighbours.narrow(0, 0, pairs).add_(1);
    neighbours.narrow(0, distance, pairs).add_(1);
  }
  const at::Tensor score = 1 - similarity / neighbours;
  return score - score.min() + 0.1;
}

/// Row j of m is made of rows floor(j * n / m) to floor((j + 1) * n / m), the last one shared with its successor.
at::Tensor attention_pool(const at::Tensor& rows, int64_t m) {
  const int64_t n = rows.size(0);
  const at::Tensor score = distinctness(rows);
  std::vector<at::Tensor> pooled;
  for (int64_t j = 0; j < m; ++j) {
    const int64_t begin = j * n / m, end = std::min((j + 1) * n / m + 1, n);
    pooled.push_back(at::softmax(score.narrow(0, begin, end - begin), 0).matmul(rows.narrow(0, begin, end - begin)));
  }
  return at::stack(pooled);
}

void check_embeddings(const at::Tensor& embeds, int64_t max_len) {
  check(embeds.defined() && embeds.dim() == 2 && embeds.size(0) > 0 && embeds.size(1) > 0, "compress_embeddings",
        "expected embeddings of [tokens, width], got {}",
        embeds.defined() ? fmt::format("[{}]", fmt::join(embeds.sizes(), ", ")) : "none");
  check(at::isFloatingType(embeds.scalar_type()), "compress_embeddings", "expected embeddings of a float type, got {}",
        c10::toString(embeds.scalar_type()));
  check(max_len >= 1, "compress_embeddings", "expected a max_len of at least 1, got {}", max_len);
  check(at::isfinite(embeds).all().item<bool>(), "compress_embeddings",
        "expected finite embeddings, got infinities or NaN; look for them in what made the embeddings");
}

}  // namespace

at::Tensor compress_embeddings(const at::Tensor& embeds, int64_t max_len, LongPromptMode mode) {
  return translate_errors("compress_embeddings", [&] {
    check_embeddings(embeds, max_len);
    if (embeds.size(0) <= max_len || mode == LongPromptMode::extrapolate) return embeds;
    if (mode == LongPromptMode::truncate) return embeds.narrow(0, 0, max_len).clone();
    const at::Tensor rows = embeds.scalar_type() == at::kDouble ? embeds : embeds.to(at::kFloat);
    const at::Tensor compressed = mode == LongPromptMode::pool             ? pool(rows, max_len)
                                  : mode == LongPromptMode::attention_pool ? attention_pool(rows, max_len)
                                                                           : interpolate(rows, max_len);
    return compressed.to(embeds.scalar_type());
  });
}

std::string_view estimate_quality_loss(int64_t tokens, int64_t max_len, LongPromptMode mode) {
  check(tokens >= 0 && max_len >= 1, "estimate_quality_loss",
        "expected tokens of at least 0 and a max_len of at least 1, got {} and {}", tokens, max_len);
  if (tokens <= max_len) return "None (no compression needed)";
  const double ratio = static_cast<double>(tokens) / static_cast<double>(max_len);
  if (mode == LongPromptMode::extrapolate) return "Unknown";
  if (mode == LongPromptMode::truncate) {
    const double lost = 1 - 1 / ratio;
    return lost > 0.5 ? "HIGH" : lost > 0.25 ? "Medium" : "Low";
  }
  const std::string_view most = mode == LongPromptMode::attention_pool ? "Medium-HIGH" : "HIGH";
  return ratio > 2.0 ? most : ratio > 1.5 ? "Medium" : "Low";
}

std::string_view long_prompt_mode_name(LongPromptMode mode) noexcept { return enum_name(mode); }

std::optional<LongPromptMode> parse_long_prompt_mode(std::string_view name) noexcept {
  return parse_enum<LongPromptMode>(name);
}

}  // namespace llmdit
