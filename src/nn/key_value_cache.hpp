#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace llmdit::nn {

/// Keys and values of the tokens that a call has passed, block by block, so that later tokens can follow them.
/// A value of the call: models never hold one.
class KeyValueCache {
 public:
  struct KeysValues {
    at::Tensor keys, values;  ///< [tokens, kv_heads, head_dim]
  };

  /// Tokens passed so far.
  int64_t length() const { return length_; }

  /// Of the tokens passed so far, and after them those of new tokens, which are kept when the pass is complete.
  KeysValues append(int64_t block, const at::Tensor& keys, const at::Tensor& values);
  /// The same without keeping anything.
  KeysValues joined(int64_t block, const at::Tensor& keys, const at::Tensor& values) const;

  /// All blocks have been given the keys and values of `tokens` more tokens.
  void complete_pass(int64_t tokens) { length_ += tokens; }

 private:
  KeysValues passed(int64_t block) const;

  std::vector<KeysValues> blocks_;  // with room for more tokens
  int64_t length_ = 0;
};

}  // namespace llmdit::nn
