#pragma once

#include <ATen/core/Tensor.h>

namespace llmdit::models {

/// What a run of steps keeps of the last one that ran whole ("first block cache"). Neighbouring steps are alike, and
/// how much so shows after the first main layer: while that adds nearly what it added then, the others add what they
/// added then, without being run. Both are as in diffusers' FirstBlockCacheConfig.
class StepCache {
 public:
  /// `threshold`: the largest sum |now - then| / sum |then| of the first layer's addition with which a step is not run
  /// whole.
  explicit StepCache(double threshold) : threshold_(threshold) {}

  /// What the other layers add to the rows, [rows, dim]; undefined when they have to run, then keep() is due.
  at::Tensor recall(const at::Tensor& first);
  void keep(at::Tensor first, at::Tensor rest);

  /// Whether the last step took what was kept.
  bool was_used() const { return was_used_; }

 private:
  double threshold_;
  at::Tensor first_, rest_;  // [rows, dim]: what the first layer added, and the others
  bool was_used_ = false;
};

}  // namespace llmdit::models
