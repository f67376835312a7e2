#include "llmdit/reference_statistics.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "base/check.hpp"
#include "conditioning/rows.hpp"

namespace llmdit {
namespace {

constexpr std::string_view op = "reference_statistics";

}  // namespace

int64_t ReferenceStatistics::hidden_dim() const { return per_dim_mean.defined() ? per_dim_mean.numel() : 0; }

void ReferenceStatistics::check() const {
  const auto usable = [](const at::Tensor& x) {
    return x.defined() && x.dim() == 1 && x.numel() > 0 && x.scalar_type() == at::kFloat && x.layout() == at::kStrided;
  };
  llmdit::check(usable(per_dim_mean) && usable(per_dim_std) && per_dim_mean.numel() == per_dim_std.numel(), op,
                "expected per_dim_mean and per_dim_std as float32 [hidden] of equal length");
  conditioning::compute(op, [&] {
    const auto all = [](const at::Tensor& condition) { return condition.all().item<bool>(); };
    llmdit::check(all(at::isfinite(per_dim_mean)) && all(at::isfinite(per_dim_std)) && std::isfinite(global_mean) &&
                      std::isfinite(global_std),
                  op, "expected finite numbers, got NaN or infinity");
    llmdit::check(all(per_dim_std >= 0) && global_std >= 0, op, "expected standard deviations of at least 0");
  });
  llmdit::check(num_prompts >= 0 && num_tokens >= 0, op, "expected counts of at least 0");
}

ReferenceStatistics ReferenceStatistics::compute(std::span<const at::Tensor> embeddings) {
  StatisticsAccumulator accumulator;
  for (const at::Tensor& rows : embeddings) accumulator.add(rows);
  return accumulator.result();
}

// Mean and sum of squared differences from it, per column: prompts are joined without the cancellation that plain sums
// of squares suffer from.
struct StatisticsAccumulator::Sums {
  int64_t prompts = 0;
  int64_t tokens = 0;
  at::Tensor mean;     // float64 [hidden]
  at::Tensor squares;  // float64 [hidden]
};

StatisticsAccumulator::StatisticsAccumulator() : sums_(std::make_unique<Sums>()) {}
StatisticsAccumulator::~StatisticsAccumulator() = default;
StatisticsAccumulator::StatisticsAccumulator(StatisticsAccumulator&&) noexcept = default;
StatisticsAccumulator& StatisticsAccumulator::operator=(StatisticsAccumulator&&) noexcept = default;

void StatisticsAccumulator::add(const at::Tensor& embeddings) {
  conditioning::compute(op, [&] {
    const at::Tensor rows = conditioning::to_rows(embeddings, op, "embeddings").to(at::kCPU, at::kDouble);
    const at::Tensor mean = rows.mean(0), squares = (rows - mean).square().sum(0);
    const int64_t count = rows.size(0);
    if (sums_->tokens == 0) {
      *sums_ = {.prompts = 1, .tokens = count, .mean = mean, .squares = squares};
      return;
    }
    check(mean.numel() == sums_->mean.numel(), op, "expected embeddings of one width, got {} after {}", mean.numel(),
          sums_->mean.numel());
    const double old_count = static_cast<double>(sums_->tokens), added = static_cast<double>(count);
    const at::Tensor difference = mean - sums_->mean;
    sums_->squares = sums_->squares + squares + difference.square() * (old_count * added / (old_count + added));
    sums_->mean = sums_->mean + difference * (added / (old_count + added));
    sums_->tokens += count;
    ++sums_->prompts;
  });
}

ReferenceStatistics StatisticsAccumulator::result() const {
  return conditioning::compute(op, [&] {
    check(sums_->tokens > 1, op, "expected two tokens or more, got {}: one has no standard deviation", sums_->tokens);
    const auto tokens = static_cast<double>(sums_->tokens), width = static_cast<double>(sums_->mean.numel());
    ReferenceStatistics statistics;
    statistics.per_dim_mean = sums_->mean.to(at::kFloat);
    statistics.per_dim_std = (sums_->squares / (tokens - 1)).sqrt().to(at::kFloat);
    statistics.global_mean = sums_->mean.mean().item<double>();
    const double between = (sums_->mean - statistics.global_mean).square().sum().item<double>() * tokens;
    statistics.global_std = std::sqrt((sums_->squares.sum().item<double>() + between) / (tokens * width - 1));
    statistics.num_prompts = sums_->prompts;
    statistics.num_tokens = sums_->tokens;
    return statistics;
  });
}

}  // namespace llmdit
