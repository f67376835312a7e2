#include "nn/winograd.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/gemm.hpp"
#include "kernels/winograd.hpp"

namespace llmdit::nn {
namespace {

constexpr int64_t positions = kernels::winograd_positions;
constexpr int64_t most_tiles = 96;    // of a block, whose position is multiplied out of the second cache
constexpr int64_t panel_depth = 256;  // of a panel in the first

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

const kernels::GemmKernel& kernel() { return kernels::gemm_kernel(); }

/// The weights' positions as panels: [position][panel][channels][width].
class WeightPanels {
 public:
  WeightPanels(const at::Tensor& weight)
      : outputs_(weight.size(0)), channels_(weight.size(1)), panels_(divide_up(outputs_, kernel().width)) {
    const at::Tensor rows = weight.contiguous(at::MemoryFormat::ChannelsLast);
    memory_ = at::empty({positions * panels_ * channels_ * kernel().width}, at::kFloat);
    const auto* from = rows.const_data_ptr<float>();
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch = at::empty({positions * kernel().width * channels_}, at::kFloat);
      for (int64_t panel = begin; panel < end; ++panel) make(from, panel, scratch.mutable_data_ptr<float>());
    });
  }

  int64_t outputs() const { return outputs_; }
  int64_t count() const { return panels_; }
  const float* panel(int64_t position, int64_t panel) const {
    return memory_.const_data_ptr<float>() + at(position, panel);
  }

 private:
  int64_t at(int64_t position, int64_t panel) const {
    return (position * panels_ + panel) * channels_ * kernel().width;
  }

  void make(const float* weights, int64_t panel, float* scratch) {
    const int64_t width = kernel().width, first = panel * width, count = std::min(width, outputs_ - first);
    for (int64_t i = 0; i < count; ++i)
      kernels::winograd_weights(weights + (first + i) * 9 * channels_, channels_, scratch + i * channels_,
                                width * channels_);
    for (int64_t p = 0; p < positions; ++p)
      kernel().pack_panel(scratch + p * width * channels_, channels_, count, channels_,
                          memory_.mutable_data_ptr<float>() + at(p, panel));
  }

  int64_t outputs_, channels_, panels_;
  at::Tensor memory_;
};

class Convolution {
 public:
  Convolution(const at::Tensor& x, const WeightPanels& weights, const at::Tensor& bias, const at::Tensor& out)
      : weights_(weights),
        bias_(bias.const_data_ptr<float>()),
        x_(x.const_data_ptr<float>()),
        out_(out.mutable_data_ptr<float>()),
        channels_(x.size(1)),
        height_(x.size(2)),
        width_(x.size(3)),
        tiles_across_(divide_up(width_, 2)),
        tiles_down_(divide_up(height_, 2)),
        tiles_(x.size(0) * tiles_across_ * tiles_down_) {}

  void operator()() const {
    // Whole tiles of the kernel, in about as many blocks for each thread.
    const int64_t threads = at::get_num_threads(), rows = kernel().rows;
    const int64_t wanted = divide_up(divide_up(tiles_, most_tiles), threads) * threads;
    const int64_t size = divide_up(divide_up(tiles_, wanted), rows) * rows;
    at::parallel_for(0, divide_up(tiles_, size), 1, [&](int64_t begin, int64_t end) {
      Block block(size, channels_, weights_.outputs());
      for (int64_t i = begin; i < end; ++i) multiply(i * size, std::min(size, tiles_ - i * size), block);
    });
  }

 private:
  /// Memory of a thread.
  struct Block {
    Block(int64_t size, int64_t channels, int64_t outputs)
        : size(size),
          numbers(at::empty({positions * size * (channels + outputs) + size * channels + outputs}, at::kFloat)),
          inputs(numbers.mutable_data_ptr<float>()),
          products(inputs + positions * size * channels),
          packed(products + positions * size * outputs),
          beyond(packed + size * channels),
          zeros(at::zeros({channels}, at::kFloat)) {}

    int64_t size;
    at::Tensor numbers;
    float *inputs, *products;  ///< [position][tile][channels] and [position][tile][outputs]
    float* packed;             ///< one position's inputs as the kernel takes them
    float* beyond;             ///< results outside of the picture
    at::Tensor zeros;          ///< pixels outside of it
  };

  struct Place {
    int64_t item, y, x;  ///< of a tile's first result
  };

  Place place(int64_t tile) const {
    const int64_t in_item = tile % (tiles_across_ * tiles_down_);
    return {tile / (tiles_across_ * tiles_down_), in_item / tiles_across_ * 2, in_item % tiles_across_ * 2};
  }

  /// Where a pixel's numbers lie, which may be outside of the picture: -1.
  int64_t pixel(int64_t item, int64_t y, int64_t x) const {
    const bool is_inside = y >= 0 && y < height_ && x >= 0 && x < width_;
    return is_inside ? (item * height_ + y) * width_ + x : -1;
  }

  void multiply(int64_t first, int64_t count, const Block& block) const {
    for (int64_t i = 0; i < count; ++i) transform(place(first + i), block, block.inputs + i * channels_);
    for (int64_t p = 0; p < positions; ++p) multiply_position(p, count, block);
    for (int64_t i = 0; i < count; ++i) finish(place(first + i), block, block.products + i * weights_.outputs());
  }

  void transform(const Place& place, const Block& block, float* inputs) const {
    const float* pixels[16];
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t at = pixel(place.item, place.y + i / 4 - 1, place.x + i % 4 - 1);
      pixels[i] = at < 0 ? block.zeros.const_data_ptr<float>() : x_ + at * channels_;
    }
    kernels::winograd_input(pixels, channels_, inputs, block.size * channels_);
  }

  void multiply_position(int64_t position, int64_t count, const Block& block) const {
    const int64_t rows = kernel().rows, padded = divide_up(count, rows) * rows, width = kernel().width;
    const int64_t outputs = weights_.outputs();
    const float* inputs = block.inputs + position * block.size * channels_;
    float* products = block.products + position * block.size * outputs;
    for (int64_t k = 0; k < channels_; k += panel_depth) {
      const int64_t depth = std::min(panel_depth, channels_ - k);
      for (int64_t row = 0; row < count; row += rows)
        kernel().pack_tile(inputs + row * channels_ + k, channels_, std::min(rows, count - row), depth,
                           block.packed + padded * k + row * depth);
    }
    for (int64_t panel = 0; panel < weights_.count(); ++panel) {
      const float* weights = weights_.panel(position, panel);
      for (int64_t k = 0; k < channels_; k += panel_depth)
        kernel().multiply(block.packed + padded * k, count, weights + k * width, std::min(panel_depth, channels_ - k),
                          products + panel * width, outputs, std::min(width, outputs - panel * width), k > 0);
    }
  }

  void finish(const Place& place, const Block& block, const float* products) const {
    float* pixels[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t at = pixel(place.item, place.y + i / 2, place.x + i % 2);
      pixels[i] = at < 0 ? block.beyond : out_ + at * weights_.outputs();
    }
    kernels::winograd_output(products, block.size * weights_.outputs(), bias_, weights_.outputs(), pixels);
  }

  const WeightPanels& weights_;
  const float *bias_, *x_;
  float* out_;
  int64_t channels_, height_, width_, tiles_across_, tiles_down_, tiles_;
};

}  // namespace

bool is_for_winograd(const at::Tensor& x, const at::Tensor& weight) {
  constexpr int64_t least_channels = 64, least_pixels = 256;
  return x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         weight.size(0) >= least_channels && weight.size(1) >= least_channels &&
         x.size(2) * x.size(3) >= least_pixels;  // of one picture: a batch gives each its own bits
}

at::Tensor winograd_conv3x3(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor out = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)},
                                   x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const WeightPanels panels(weight);
  Convolution(pixels, panels, bias, out)();
  return out;
}

}  // namespace llmdit::nn
