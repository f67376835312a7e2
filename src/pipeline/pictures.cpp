#include "pipeline/pictures.hpp"

#include <ATen/ATen.h>

namespace llmdit {

at::Tensor to_unit_range(const at::Tensor& decoded) {
  return (decoded * 0.5 + 0.5).clamp(0.0, 1.0).to(at::kCPU, at::kFloat).contiguous();
}

Image to_image(const at::Tensor& pixels) {
  const at::Tensor bytes = (pixels.permute({1, 2, 0}) * 255.0).round().to(at::kByte).contiguous();
  const auto* data = bytes.const_data_ptr<uint8_t>();
  return {.width = bytes.size(1), .height = bytes.size(0), .pixels = std::vector<uint8_t>(data, data + bytes.numel())};
}

}  // namespace llmdit
