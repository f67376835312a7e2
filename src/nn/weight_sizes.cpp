// What weights will take in memory, told from the headers of their files, and which blocks stay within a bound.

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/memory_size.hpp"
#include "nn/quantize.hpp"
#include "nn/weights.hpp"

namespace llmdit::nn {
namespace {

using Place = io::TensorTable::Place;

constexpr uint64_t scale_bytes = sizeof(float);

uint64_t numbers_of(at::IntArrayRef shape) { return static_cast<uint64_t>(c10::multiply_integers(shape)); }

/// What quantize() makes of a matrix.
uint64_t quantized_bytes(at::IntArrayRef shape, const Placement& placement) {
  const StoredTensor stored = quantize(at::zeros({1, shape[1]}), placement.quantization, placement.device);
  return static_cast<uint64_t>(shape[0]) *
         (stored.data.nbytes() + (stored.scale.defined() ? stored.scale.nbytes() : 0));
}

/// "layers.3." of "layers.3.attention.to_q.weight"; empty for what is in no block.
std::string block_of(std::string_view name) {
  for (const std::string_view list : {"layers.", "noise_refiner.", "context_refiner."}) {
    if (!name.starts_with(list)) continue;
    const size_t end = name.find('.', list.size());
    if (end != name.npos) return std::string(name.substr(0, end + 1));
  }
  return {};
}

/// The order in which blocks get the memory there is: those of every step by number, then those of every prompt.
std::pair<int, int64_t> rank_of(const std::string& block) {
  const size_t dot = block.find('.');
  const int list = block.starts_with("layers.") ? 0 : block.starts_with("noise_refiner.") ? 1 : 2;
  return {list, std::stoll(block.substr(dot + 1))};
}

}  // namespace

/// As read() gives it, without the numbers.
StoredTensor WeightStore::described(const Place& place, at::IntArrayRef shape) const {
  const auto meta = at::TensorOptions().device(at::kMeta);
  const at::ScalarType type = place.entry->block ? at::kByte : *place.entry->dtype;
  StoredTensor stored{.data = at::empty(shape, meta.dtype(type)), .block = place.entry->block, .shape = shape.vec()};
  if (place.scale) stored.scale = at::empty({1}, meta.dtype(at::kFloat));
  return stored;
}

KeptBytes WeightStore::predict(const std::string& name, at::IntArrayRef shape) const {
  const Place& place = *table_.find(name);
  const Treatment way = treatment(name, described(place, shape));
  KeptBytes bytes{.file = place.entry->bytes / static_cast<uint64_t>(place.parts), .numbers = numbers_of(shape)};
  const bool is_plain = !place.entry->block && !place.scale && place.entry->dtype == way.type;
  const bool is_aligned = place.entry->block || place.entry->offset % c10::elementSize(*place.entry->dtype) == 0;
  if (way.quantizes) {
    bytes.copied = quantized_bytes(shape, placement_);
  } else if (way.stays_quantized || is_plain) {
    (placement_.device.is_cpu() && is_aligned ? bytes.mapped : bytes.copied) = bytes.file;
    if (place.scale) bytes.copied += scale_bytes * numbers_of(place.scale->shape);
  } else {
    bytes.copied = bytes.numbers * c10::elementSize(way.type);
  }
  return bytes;
}

KeptBytes WeightStore::predict_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) const {
  KeptBytes bytes = predict(name, shape);
  const Place& place = *table_.find(name);
  const bool is_plain = !place.entry->block && !place.scale && place.entry->dtype == compute_;
  // Of one pixel, or with one channel, every order is the same.
  const bool is_ordered = format == at::MemoryFormat::Contiguous || shape.size() < 4 || shape[2] * shape[3] == 1;
  if (is_plain && is_ordered && bytes.mapped > 0) return bytes;
  bytes.mapped = 0;
  bytes.copied = bytes.numbers * c10::elementSize(compute_);
  return bytes;
}

void WeightStore::choose_streamed() {
  if (!placement_.max_memory) return;
  std::map<std::string, uint64_t> blocks;
  uint64_t kept = 0, largest = 0;
  for (const auto& [name, place] : table_.places()) {
    const auto shape = io::TensorTable::shape_of(place);
    if (problem_of(name, shape)) continue;  // told when it is asked for
    const uint64_t bytes =
        (shape.size() == 2 ? predict(name, shape) : predict_compute(name, shape, at::MemoryFormat::Contiguous)).total();
    const std::string block = block_of(name);
    (block.empty() ? kept : blocks[block]) += bytes;
  }
  for (const auto& [block, bytes] : blocks) largest = std::max(largest, bytes);
  check(kept + largest <= *placement_.max_memory, "max_memory",
        "expected at least {} for the {}: its largest block and what is no block are always in memory together; got {}",
        memory_size_text({(kept + largest + 999'999) / 1'000'000 * 1'000'000}), table_.component(),
        memory_size_text({*placement_.max_memory}));
  std::vector<std::string> order;
  uint64_t all = kept;
  for (const auto& [block, bytes] : blocks) {
    order.push_back(block);
    all += bytes;
  }
  if (all <= *placement_.max_memory) return;
  std::ranges::sort(order, {}, rank_of);
  // What is used in turn is best kept by a fixed choice: of the least recently used, none would be there again.
  for (const std::string& block : order) {
    if (kept + blocks[block] + largest <= *placement_.max_memory) {
      kept += blocks[block];
    } else {
      streamed_.insert(block);
    }
  }
}

}  // namespace llmdit::nn
