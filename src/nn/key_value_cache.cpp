#include "nn/key_value_cache.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"

namespace llmdit::nn {
namespace {

/// `kept` with room for `length` rows. It grows by halves, so that a long text does not copy its past for each token.
void reserve(at::Tensor& kept, const at::Tensor& rows, int64_t used, int64_t length) {
  if (kept.defined() && kept.size(0) >= length) return;
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = length + length / 2;
  const at::Tensor larger = at::empty(shape, rows.options());
  if (used > 0) larger.narrow(0, 0, used).copy_(kept.narrow(0, 0, used));
  kept = larger;
}

}  // namespace

KeyValueCache::KeysValues KeyValueCache::append(int64_t block, const at::Tensor& keys, const at::Tensor& values) {
  if (block >= static_cast<int64_t>(blocks_.size())) {
    if (length_ > 0) fail(ErrorCode::internal, "key_value_cache", "expected no more blocks than earlier passes had");
    blocks_.resize(block + 1);
  }
  KeysValues& kept = blocks_[block];
  const int64_t count = keys.size(0), length = length_ + count;
  reserve(kept.keys, keys, length_, length);
  reserve(kept.values, values, length_, length);
  kept.keys.narrow(0, length_, count).copy_(keys);
  kept.values.narrow(0, length_, count).copy_(values);
  return {kept.keys.narrow(0, 0, length), kept.values.narrow(0, 0, length)};
}

KeyValueCache::KeysValues KeyValueCache::passed(int64_t block) const {
  const KeysValues& kept = blocks_.at(block);
  return {kept.keys.narrow(0, 0, length_), kept.values.narrow(0, 0, length_)};
}

KeyValueCache::KeysValues KeyValueCache::joined(int64_t block, const at::Tensor& keys, const at::Tensor& values) const {
  if (length_ == 0) return {keys, values};
  const KeysValues kept = passed(block);
  return {at::cat({kept.keys, keys}), at::cat({kept.values, values})};
}

}  // namespace llmdit::nn
