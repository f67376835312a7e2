#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "llmdit/generate_options.hpp"

namespace llmdit {

/// Draws the noise of a call, float32 on the CPU, in the reference's order: with seeds each picture has a generator of
/// its own, so that it is the same alone and in a batch.
class NoiseSource {
 public:
  NoiseSource(const GenerateOptions& options, int64_t batch);

  /// One a picture: [batch, channels, h, w].
  at::Tensor draw(at::IntArrayRef item);

  /// For the picture that all of them start from. Seeds give one for each, [batch, channels, h, w]; generators of the
  /// caller one for all, [1, channels, h, w], which the first of them draws.
  at::Tensor draw_for_source(at::IntArrayRef item);

  /// Of the pictures; none with generators of the caller.
  const std::vector<uint64_t>& seeds() const { return seeds_; }

 private:
  std::vector<at::Generator> generators_;  // one for all, or one a picture
  std::vector<uint64_t> seeds_;
  int64_t batch_;
};

}  // namespace llmdit
