#include "nn/matvec.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "nn/gemm_products.hpp"

namespace llmdit::nn {
namespace {

constexpr int64_t piece = 2048;             // of a row of the weight, widened into the first cache
constexpr int64_t least_weights = 1 << 16;  // weights for which another thread pays

/// How a row of the weight is multiplied where it lies; `widened`: it is not.
enum class Storage { widened, float32, bfloat16, float16, int8, blocks, nibbles };

Storage storage_of(const StoredTensor& weight) {
  if (weight.as_integers && weight.block && kernels::has_nibbles(*weight.block)) return Storage::nibbles;
  if (weight.block) return kernels::has_block_dot(*weight.block) ? Storage::blocks : Storage::widened;
  const auto type = weight.data.scalar_type();
  if (type == at::kChar && weight.scale.defined()) {
    const int64_t columns = weight.shape[1], factors = weight.scale.numel();
    const int64_t group = factors == 1 ? columns : columns * weight.shape[0] / factors;
    return group % kernels::dot_group == 0 ? Storage::int8 : Storage::widened;
  }
  if (!weight.is_plain()) return Storage::widened;
  if (type == at::kFloat) return Storage::float32;
  if (type == at::kBFloat16) return Storage::bfloat16;
  return type == at::kHalf ? Storage::float16 : Storage::widened;
}

/// The products of the rows of x with one row of the weight.
class RowProducts {
 public:
  using Sums = std::array<float, most_matvec_rows>;

  RowProducts(const at::Tensor& x, const StoredTensor& weight)
      : weight_(weight),
        storage_(storage_of(weight)),
        floats_(weight.float_numbers()),
        x_(x.const_data_ptr<float>()),
        rows_(x.size(0)),
        columns_(x.size(1)) {
    if (storage_ == Storage::int8) {
      factors_ = weight.scale.const_data_ptr<float>();
      groups_ = weight.scale.numel() == 1 ? 0 : weight.scale.numel() / weight.shape[0];
    }
    if (storage_ == Storage::nibbles) rounded_.emplace(x);
    if (storage_ == Storage::blocks && rows_ == 1) {
      totals_.resize(columns_ / kernels::dot_group);
      for (int64_t k = 0; k < columns_; ++k) totals_[k / kernels::dot_group] += x_[k];
    }
  }

  Sums operator()(int64_t output) const {
    // Nothing is gained by widening what is used once.
    if (rows_ == 1 && storage_ != Storage::widened && storage_ != Storage::nibbles) return {direct(output)};
    Sums sums{};
    if (storage_ == Storage::nibbles) {
      for (int64_t row = 0; row < rows_; ++row) sums[row] = in_integers(output, row);
      return sums;
    }
    alignas(64) float wide[piece];
    for (int64_t k = 0; k < columns_; k += piece) {
      const int64_t count = std::min(piece, columns_ - k);
      const float* numbers = floats_ ? floats_ + output * columns_ + k : wide;
      if (!floats_) weight_.widen_part(output, 1, k, count, wide);
      for (int64_t row = 0; row < rows_; ++row)
        sums[row] += kernels::gemm_kernel().dot(numbers, x_ + row * columns_ + k, count);
    }
    return sums;
  }

 private:
  float in_integers(int64_t output, int64_t row) const {
    const int64_t groups = columns_ / kernels::nibble_group;
    const kernels::NibbleRows x = {rounded_->numbers.const_data_ptr<int8_t>() + row * columns_,
                                   rounded_->scales.const_data_ptr<float>() + row * groups,
                                   rounded_->totals.const_data_ptr<float>() + row * groups};
    const std::byte* blocks = weight_.row_part(output, 0, columns_).data();
    return kernels::gemm_kernel().dot_nibbles(*weight_.block, blocks, x, columns_);
  }

  float direct(int64_t output) const {
    const auto& kernel = kernels::gemm_kernel();
    const std::byte* row = weight_.row_part(output, 0, columns_).data();
    switch (storage_) {
      case Storage::float32:
        return kernel.dot(reinterpret_cast<const float*>(row), x_, columns_);
      case Storage::bfloat16:
        return kernel.dot_bfloat16(reinterpret_cast<const uint16_t*>(row), x_, columns_);
      case Storage::float16:
        return kernel.dot_float16(reinterpret_cast<const uint16_t*>(row), x_, columns_);
      case Storage::int8: {
        const int64_t group = columns_ / std::max<int64_t>(1, groups_);
        return kernel.dot_int8(reinterpret_cast<const int8_t*>(row), factors_ + output * groups_, group, x_, columns_);
      }
      default:
        return kernel.dot_blocks(*weight_.block, row, x_, totals_.data(), columns_);
    }
  }

  const StoredTensor& weight_;
  Storage storage_;
  const float* floats_;
  const float* x_;
  const float* factors_ = nullptr;
  std::vector<float> totals_;           // of each dot_group of x
  std::optional<GroupedRows> rounded_;  // for nibbles
  int64_t rows_, columns_;
  int64_t groups_ = 0;  // of a row that have a factor; 0 where one is for all rows
};

}  // namespace

void multiply_few_rows(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& out, bool accumulate) {
  const RowProducts products(x, weight);
  const int64_t rows = out.size(0), outputs = out.size(1), columns = x.size(1);
  auto* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, outputs, std::max<int64_t>(1, least_weights / std::max<int64_t>(1, columns)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t output = begin; output < end; ++output) {
                       const auto sums = products(output);
                       for (int64_t row = 0; row < rows; ++row) {
                         float& result = to[row * outputs + output];
                         result = accumulate ? result + sums[row] : sums[row];
                       }
                     }
                   });
}

}  // namespace llmdit::nn
