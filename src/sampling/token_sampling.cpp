#include "llmdit/token_sampling.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <limits>
#include <set>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "sampling/sampling_fields.hpp"

namespace llmdit {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr OptionField fields[] = {
    field<SamplingOptions, "temperature", &SamplingOptions::temperature>(sampling_fields::temperature),
    field<SamplingOptions, "top_k", &SamplingOptions::top_k>(sampling_fields::top_k),
    field<SamplingOptions, "top_p", &SamplingOptions::top_p>(sampling_fields::top_p),
    field<SamplingOptions, "min_p", &SamplingOptions::min_p>(sampling_fields::min_p),
    field<SamplingOptions, "repetition_penalty", &SamplingOptions::repetition_penalty>(
        sampling_fields::repetition_penalty),
    field<SamplingOptions, "presence_penalty", &SamplingOptions::presence_penalty>(sampling_fields::presence_penalty),
};

at::Tensor distinct(std::span<const int64_t> first, std::span<const int64_t> second, int64_t vocab_size) {
  std::set<int64_t> ids(first.begin(), first.end());
  ids.insert(second.begin(), second.end());
  const std::vector<int64_t> list(ids.begin(), ids.end());
  check(list.empty() || (list.front() >= 0 && list.back() < vocab_size), "sampling",
        "expected token ids from 0 to {} in the history, got {} to {}", vocab_size - 1, list.empty() ? 0 : list.front(),
        list.empty() ? 0 : list.back());
  return at::tensor(list, at::kLong);
}

/// Penalties on scores [rows, vocab], in place.
void penalize(at::Tensor& scores, const SamplingOptions& options, const TokenHistory& history) {
  if (options.repetition_penalty != 1) {
    const at::Tensor ids = distinct(history.prompt, history.generated, scores.size(1));
    const at::Tensor seen = scores.index_select(1, ids);
    const double penalty = options.repetition_penalty;
    scores.index_copy_(1, ids, at::where(seen < 0, seen * penalty, seen / penalty));
  }
  if (options.presence_penalty != 0) {
    const at::Tensor ids = distinct(history.generated, {}, scores.size(1));
    scores.index_copy_(1, ids, scores.index_select(1, ids) - options.presence_penalty);
  }
}

void keep_top_k(at::Tensor& scores, int64_t count) {
  if (count == 0 || count >= scores.size(1)) return;
  const at::Tensor least = std::get<0>(scores.topk(count, -1)).narrow(1, count - 1, 1);
  scores.masked_fill_(scores < least, -infinity);
}

void keep_top_p(at::Tensor& scores, double share) {
  if (share >= 1 || scores.numel() == 0) return;
  // Sorting a whole vocabulary takes longer than a small model's pass; after top-k few tokens are left.
  const int64_t left = (scores > -infinity).sum(-1).max().item<int64_t>();
  const auto [best, places] = scores.topk(left, -1);
  const at::Tensor sorted = best.flip(-1), order = places.flip(-1);
  at::Tensor dropped = sorted.softmax(-1).cumsum(-1) <= 1 - share;
  dropped.narrow(1, left - 1, 1).fill_(false);
  scores.scatter_(1, order, sorted.masked_fill(dropped, -infinity));
}

void keep_min_p(at::Tensor& scores, double share) {
  if (share == 0) return;
  const at::Tensor probabilities = scores.softmax(-1);
  scores.masked_fill_(probabilities < share * probabilities.amax(-1, /*keepdim=*/true), -infinity);
}

void check_scores(const at::Tensor& scores) {
  if (scores.size(0) == 0) return;
  // The largest of a row is NaN where there is one, +inf where there is one, and -inf where there is nothing else.
  check(at::isfinite(scores.amax(-1)).all().item<bool>(), "sampling",
        "expected scores that are finite or -inf, and one in each row that is finite; found others");
}

/// [rows, vocab] float32 on the CPU, a copy.
at::Tensor checked_scores(const at::Tensor& logits) {
  check(logits.defined() && (logits.dim() == 1 || logits.dim() == 2) && logits.size(-1) > 0, "sampling",
        "expected scores [vocab_size] or [rows, vocab_size]");
  check(at::isFloatingType(logits.scalar_type()), "sampling", "expected floating-point scores, got {}",
        c10::toString(logits.scalar_type()));
  at::Tensor scores =
      logits.reshape({-1, logits.size(-1)}).to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  check_scores(scores);
  return scores;
}

}  // namespace

template <>
std::span<const OptionField> option_fields<SamplingOptions>() {
  return fields;
}

at::Tensor sampling_probabilities(const at::Tensor& logits, const SamplingOptions& options,
                                  const TokenHistory& history) {
  return translate_errors("sampling", [&] {
    const c10::NoGradGuard guard;
    check_options(options);
    constexpr double least_temperature = 1e-3;  // below it scores overflow, and nothing is left of the choice
    check(options.temperature == 0 || options.temperature >= least_temperature, "temperature",
          "expected 0 for the best token, or at least {}, got {}", least_temperature, options.temperature);
    at::Tensor scores = checked_scores(logits);
    penalize(scores, options, history);
    if (options.temperature == 0) {
      const at::Tensor best = scores.argmax(-1, /*keepdim=*/true);
      return at::zeros_like(scores).scatter_(1, best, 1.0).view(logits.sizes());
    }
    scores.div_(options.temperature);
    check_scores(scores);
    keep_top_k(scores, options.top_k);
    keep_top_p(scores, options.top_p);
    keep_min_p(scores, options.min_p);
    return scores.softmax(-1).view(logits.sizes());
  });
}

}  // namespace llmdit
