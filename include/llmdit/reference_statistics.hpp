#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// What the rows of a text encoder are like, column by column: the scale that other embeddings are brought to.
struct LLMDIT_EXPORT ReferenceStatistics {
  at::Tensor per_dim_mean;  ///< float32 [hidden]
  at::Tensor per_dim_std;   ///< float32 [hidden], unbiased
  double global_mean = 0;   ///< of all numbers
  double global_std = 0;    ///< of all numbers, unbiased

  std::string model{};                    ///< where the encoder came from; empty is not known
  std::optional<int64_t> hidden_layer{};  ///< entry of hidden_states that the rows are of
  int64_t num_prompts = 0;                ///< 0 is not known
  int64_t num_tokens = 0;                 ///< 0 is not known

  int64_t hidden_dim() const;
  /// Throws invalid_argument for tensors that are not float32 [hidden] of equal length, a NaN, or a negative deviation.
  void check() const;

  /// A file by its suffix: .npz with an array or single value a name, or .json. Files of others need per_dim_mean,
  /// per_dim_std, global_mean and global_std; `hidden_layer` is called layer. Throws not_found when it cannot be read,
  /// unsupported when it is damaged or holds something else.
  static ReferenceStatistics load(const std::filesystem::path& path);
  /// Throws invalid_argument for another suffix, not_found when it cannot be written.
  void save(const std::filesystem::path& path) const;

  /// Of one [tokens, hidden] a prompt, two tokens or more in all. Sums are float64.
  static ReferenceStatistics compute(std::span<const at::Tensor> embeddings);
};

/// Computes the same from one prompt after another, so that only one is held.
class LLMDIT_EXPORT StatisticsAccumulator {
 public:
  StatisticsAccumulator();
  ~StatisticsAccumulator();
  StatisticsAccumulator(StatisticsAccumulator&&) noexcept;
  StatisticsAccumulator& operator=(StatisticsAccumulator&&) noexcept;

  /// Takes the rows of a prompt, [tokens, hidden]. Throws invalid_argument as the blend functions do.
  void add(const at::Tensor& embeddings);

  /// Throws invalid_argument for fewer than two tokens.
  ReferenceStatistics result() const;

 private:
  struct Sums;
  std::unique_ptr<Sums> sums_;
};

/// Two dozen prompts of many kinds to compute statistics from where there are no prompts of one's own.
LLMDIT_EXPORT const std::vector<std::string>& statistics_prompts();

}  // namespace llmdit
