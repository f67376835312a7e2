#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace llmdit::io {

struct PictureShape {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
};

/// Samples [height, width, channels] in another size, by Pillow's Lanczos filter: 8-bit ones with its very numbers,
/// rounded after each axis, others in its arithmetic for floating-point pictures.
std::vector<uint8_t> resize_lanczos(std::span<const uint8_t> samples, const PictureShape& from, int64_t height,
                                    int64_t width);
std::vector<float> resize_lanczos(std::span<const float> samples, const PictureShape& from, int64_t height,
                                  int64_t width);

}  // namespace llmdit::io
