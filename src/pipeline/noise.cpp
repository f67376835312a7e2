#include "pipeline/noise.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <random>

#include "base/check.hpp"

namespace llmdit {
namespace {

at::Tensor draw_from(const at::Generator& generator, int64_t count, at::IntArrayRef item) {
  std::vector<int64_t> shape = {count};
  shape.insert(shape.end(), item.begin(), item.end());
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat).device(generator.device())).cpu();
}

}  // namespace

NoiseSource::NoiseSource(const GenerateOptions& options, int64_t batch)
    : generators_(options.generators), batch_(batch) {
  for (const at::Generator& generator : generators_)
    check(generator.defined(), "generator", "expected a generator, got an empty one");
  check(generators_.size() <= 1 || static_cast<int64_t>(generators_.size()) == batch, "generator",
        "expected one generator, or one for each of {} pictures, got {}", batch, generators_.size());
  if (!generators_.empty()) return;
  const uint64_t first = options.seed ? *options.seed : std::random_device{}();
  for (int64_t i = 0; i < batch; ++i) {
    seeds_.push_back(first + static_cast<uint64_t>(i));
    generators_.push_back(at::detail::createCPUGenerator(seeds_.back()));
  }
}

at::Tensor NoiseSource::draw(at::IntArrayRef item) {
  if (generators_.size() == 1) return draw_from(generators_.front(), batch_, item);
  std::vector<at::Tensor> items;
  for (const at::Generator& generator : generators_) items.push_back(draw_from(generator, 1, item));
  return at::cat(items);
}

at::Tensor NoiseSource::draw_for_source(at::IntArrayRef item) {
  return seeds_.empty() ? draw_from(generators_.front(), 1, item) : draw(item);
}

}  // namespace llmdit
