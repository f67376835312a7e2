#include "nn/matvec.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

#include "kernels/gemm.hpp"

namespace llmdit::nn {
namespace {

constexpr int64_t piece = 2048;             // of a row of the weight, widened into the first cache
constexpr int64_t least_weights = 1 << 16;  // weights for which another thread pays

const uint16_t* bfloat16_numbers(const StoredTensor& weight) {
  const bool is_plain = weight.is_plain() && weight.data.scalar_type() == at::kBFloat16;
  return is_plain ? static_cast<const uint16_t*>(weight.data.const_data_ptr()) : nullptr;
}

/// The products of the rows of x with one row of the weight.
class RowProducts {
 public:
  using Sums = std::array<float, most_matvec_rows>;

  RowProducts(const at::Tensor& x, const StoredTensor& weight)
      : weight_(weight),
        floats_(weight.float_numbers()),
        halves_(bfloat16_numbers(weight)),
        x_(x.const_data_ptr<float>()),
        rows_(x.size(0)),
        columns_(x.size(1)) {}

  Sums operator()(int64_t output) const {
    const auto& kernel = kernels::gemm_kernel();
    Sums sums{};
    if (halves_ && rows_ == 1) {  // straight from memory: nothing is gained by widening what is used once
      sums[0] = kernel.dot_bfloat16(halves_ + output * columns_, x_, columns_);
      return sums;
    }
    alignas(64) float wide[piece];
    for (int64_t k = 0; k < columns_; k += piece) {
      const int64_t count = std::min(piece, columns_ - k);
      const float* numbers = floats_ ? floats_ + output * columns_ + k : wide;
      if (!floats_) weight_.widen_part(output, 1, k, count, wide);
      for (int64_t row = 0; row < rows_; ++row) sums[row] += kernel.dot(numbers, x_ + row * columns_ + k, count);
    }
    return sums;
  }

 private:
  const StoredTensor& weight_;
  const float* floats_;
  const uint16_t* halves_;
  const float* x_;
  int64_t rows_, columns_;
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
