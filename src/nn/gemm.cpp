#include "nn/gemm.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/gemm.hpp"

namespace llmdit::nn {
namespace {

// Note [Products] in kernels/gemm.hpp. Measured best on processors with 512 KiB and 1 MiB of second cache.
constexpr int64_t chunk_outputs = 64;    // whose panels are made together
constexpr int64_t panel_depth = 256;     // of a panel; a multiple of every block of quantised weights
constexpr int64_t block_rows = 192;      // of x, used for all panels of a chunk before the next ones are
constexpr int64_t least_work = 1 << 18;  // multiplications for which another thread pays

class Gemm {
 public:
  Gemm(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& out, bool accumulate)
      : weight_(weight),
        x_(x.const_data_ptr<float>()),
        out_(out.mutable_data_ptr<float>()),
        rows_(x.size(0)),
        depth_(x.size(1)),
        outputs_(out.size(1)),
        accumulate_(accumulate) {}

  void operator()() const {
    const int64_t chunks = (outputs_ + chunk_outputs - 1) / chunk_outputs;
    const int64_t grain = std::max<int64_t>(1, least_work / std::max<int64_t>(1, rows_ * depth_ * chunk_outputs));
    at::parallel_for(0, chunks, grain, [this](int64_t begin, int64_t end) {
      const at::Tensor panels = at::empty({chunk_outputs, panel_depth}), wide = at::empty({kernel_.width, panel_depth});
      for (int64_t chunk = begin; chunk < end; ++chunk)
        multiply_chunk(chunk * chunk_outputs, panels.mutable_data_ptr<float>(), wide.mutable_data_ptr<float>());
    });
  }

 private:
  void multiply_chunk(int64_t first, float* panels, float* wide) const {
    const int64_t last = std::min(outputs_, first + chunk_outputs);
    for (int64_t k = 0; k < depth_; k += panel_depth) {
      const int64_t depth = std::min(panel_depth, depth_ - k);
      for (int64_t output = first; output < last; output += kernel_.width)
        make_panel(output, std::min(kernel_.width, last - output), k, depth, wide, panels + (output - first) * depth);
      for (int64_t row = 0; row < rows_; row += block_rows) {
        const int64_t rows = std::min(block_rows, rows_ - row);
        for (int64_t output = first; output < last; output += kernel_.width) {
          kernel_.multiply(x_ + row * depth_ + k, depth_, rows, panels + (output - first) * depth, depth,
                           out_ + row * outputs_ + output, outputs_, std::min(kernel_.width, last - output),
                           accumulate_ || k > 0);
        }
      }
    }
  }

  void make_panel(int64_t output, int64_t count, int64_t k, int64_t depth, float* wide, float* panel) const {
    if (const float* numbers = weight_.float_numbers())
      return kernel_.pack(numbers + output * depth_ + k, depth_, count, depth, panel);
    weight_.widen_part(output, count, k, depth, wide);
    kernel_.pack(wide, depth, count, depth, panel);
  }

  const kernels::GemmKernel& kernel_ = kernels::gemm_kernel();
  const StoredTensor& weight_;
  const float* x_;
  float* out_;
  int64_t rows_, depth_, outputs_;
  bool accumulate_;
};

}  // namespace

at::Tensor gemm(const at::Tensor& x, const StoredTensor& weight, const at::Tensor& bias) {
  const at::Tensor rows = x.contiguous();
  const at::Tensor out = at::empty({rows.size(0), weight.shape[0]}, rows.options());
  if (bias.defined()) out.copy_(bias.expand_as(out));
  if (rows.size(1) == 0) return bias.defined() ? out : out.zero_();
  Gemm(rows, weight, out, bias.defined())();
  return out;
}

}  // namespace llmdit::nn
