#pragma once

#include "llmdit/vl_image.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "bindings.hpp"
#include "tensors.hpp"

namespace llmdit::python {

/// pixel_values and image_grid_thw int64 [1, 3], as transformers gives them.
using PixelArrays = std::pair<at::Tensor, at::Tensor>;

inline PixelArrays to_arrays(const PixelValues& pixels) {
  const c10::InferenceMode off(false);
  const auto [t, h, w] = pixels.grid_thw;
  return {ordinary(pixels.pixel_values), at::tensor({t, h, w}, at::kLong).unsqueeze(0)};
}

inline PixelValues from_arrays(const PixelArrays& arrays) {
  const at::Tensor& grid = arrays.second;
  if (!at::isIntegralType(grid.scalar_type(), false) || grid.numel() != 3) {
    throw py::value_error("image_grid_thw has three integers, of one picture");
  }
  const at::Tensor flat = grid.flatten().to(at::kCPU, at::kLong).contiguous();
  const auto* sides = flat.const_data_ptr<int64_t>();
  return {arrays.first, {sides[0], sides[1], sides[2]}};
}

}  // namespace llmdit::python
