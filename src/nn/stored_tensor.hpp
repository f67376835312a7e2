#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "kernels/block_format.hpp"
#include "nn/weight_patch.hpp"

namespace llmdit::nn {

/// A weight as it is kept: numbers of any type or quantised blocks, with what belongs to them.
struct StoredTensor {
  at::Tensor data;                            ///< numbers [shape], or the blocks of each row, uint8 [rows, bytes]
  std::optional<kernels::BlockType> block{};  ///< what the blocks are
  /// float32 factors of the numbers: one, one a row, or [rows, groups] for equal groups of a row; undefined is 1.
  at::Tensor scale{};
  std::vector<int64_t> shape{};      ///< of the weight
  std::optional<LowRank> adapter{};  ///< added to the product, not to the weight
  bool as_integers = false;          ///< 8-bit numbers that a CPU may multiply in integers

  /// Numbers as they are: neither blocks, nor scaled, nor 8-bit, nor with an adapter beside them.
  bool is_plain() const;

  /// The same with all that belongs to it on a device.
  StoredTensor on(const c10::Device& device) const;

  /// Rows `first` to `first + count` of a matrix as numbers without the adapter, of these the columns `first_column` to
  /// `first_column + columns`, on the CPU and on the calling thread: [count][columns] float32. Both numbers of columns
  /// are multiples of the block's.
  void widen_part(int64_t first, int64_t count, int64_t first_column, int64_t columns, float* out) const;

  /// Where these columns of a row lie, on the CPU.
  std::span<const std::byte> row_part(int64_t row, int64_t first_column, int64_t columns) const;

  /// The numbers of a float32 matrix; null for anything else.
  const float* float_numbers() const;

  /// The rows of a matrix that `indices` [n] int64 name, as numbers [n, columns].
  at::Tensor rows(const at::Tensor& indices, at::ScalarType type) const;

  /// The whole weight as numbers, the adapter's share included: a new tensor, or `data` when it is of that type.
  at::Tensor widen(at::ScalarType type) const;
};

}  // namespace llmdit::nn
