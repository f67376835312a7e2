#include "nn/weights.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"

namespace llmdit::nn {
namespace {

bool is_dense_float(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf || type == at::kDouble;
}

// Tensors that published files hold and no computation reads: a head tied to the embeddings, an abandoned norm.
bool is_known_stray(std::string_view name) {
  constexpr std::array strays = {std::string_view("lm_head.weight"), std::string_view("norm_final.weight")};
  return std::ranges::any_of(strays, [&](std::string_view stray) { return name == stray; });
}

}  // namespace

WeightStore::WeightStore(io::Checkpoint checkpoint, Placement placement)
    : checkpoint_(std::move(checkpoint)), placement_(placement) {
  // Files of 16-bit matrices often keep small tensors in float32; they must not make the activations around them so.
  const io::TensorEntry* largest = nullptr;
  for (const std::string& name : checkpoint_.names()) {
    const io::TensorEntry* entry = checkpoint_.find(name);
    if (!largest || entry->bytes > largest->bytes) largest = entry;
  }
  const at::ScalarType stored = largest && largest->dtype ? *largest->dtype : at::kFloat;
  compute_ = placement_.compute(placement_.storage.value_or(stored));
}

at::Tensor WeightStore::load(const std::string& name, at::IntArrayRef shape) const {
  const io::TensorEntry* entry = checkpoint_.find(name);
  if (!entry) {
    fail(ErrorCode::unsupported, "weights",
         "expected a tensor '{}' in {}, found none; is this the right model, and is it whole?", name,
         checkpoint_.path().string());
  }
  if (at::IntArrayRef(entry->shape) != shape) {
    fail(ErrorCode::unsupported, "weights", "expected '{}' in {} to be [{}] by its configuration, found [{}]", name,
         checkpoint_.file_of(name).string(), fmt::join(shape, ", "), fmt::join(entry->shape, ", "));
  }
  if (!entry->dtype || !is_dense_float(*entry->dtype)) {
    fail(ErrorCode::unsupported, "weights", "expected '{}' in {} to be F32, BF16 or F16, found {}", name,
         checkpoint_.file_of(name).string(), entry->dtype_name);
  }
  return checkpoint_.tensor(name);
}

at::Tensor WeightStore::get(const std::string& name, at::IntArrayRef shape) {
  const at::Tensor tensor = load(name, shape);
  at::ScalarType type = placement_.storage.value_or(tensor.scalar_type());
  if (type == at::kDouble) type = at::kFloat;  // nothing computes in double
  return given_[name] = tensor.to(placement_.device, type);
}

at::Tensor WeightStore::get_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) {
  const at::Tensor tensor = load(name, shape);
  const at::ScalarType stored = placement_.storage.value_or(tensor.scalar_type());
  // Rounded to the storage type first, so that a norm is as exact as a matrix of the same checkpoint, and no more.
  return given_[name] = tensor.to(placement_.device, stored).to(compute_).contiguous(format);
}

std::vector<std::string> WeightStore::unused() const {
  std::vector<std::string> names;
  for (const std::string& name : checkpoint_.names()) {
    if (!given_.contains(name) && !is_known_stray(name)) names.push_back(name);
  }
  return names;
}

Weights Weights::scope(std::string_view part) const { return Weights(*store_, full_name(part) + "."); }

bool Weights::has(std::string_view name) const { return store_->checkpoint().contains(full_name(name)); }

at::Tensor Weights::get(std::string_view name, at::IntArrayRef shape) const {
  return store_->get(full_name(name), shape);
}

at::Tensor Weights::get_compute(std::string_view name, at::IntArrayRef shape, at::MemoryFormat format) const {
  return store_->get_compute(full_name(name), shape, format);
}

std::string Weights::full_name(std::string_view name) const { return prefix_ + std::string(name); }

}  // namespace llmdit::nn
