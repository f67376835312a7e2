#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/image.hpp"

namespace llmdit {

/// How Qwen3-VL takes pictures; the defaults are the published model's.
struct VLImageOptions {
  int64_t patch_size = 16;                           ///< pixels, side of a patch
  int64_t temporal_patch_size = 2;                   ///< frames of a patch; a picture is that many times the same frame
  int64_t merge_size = 2;                            ///< patches, side of the block that becomes one token
  int64_t min_pixels = 65536;                        ///< of the resized picture
  int64_t max_pixels = 16777216;                     ///< of the resized picture
  std::vector<double> image_mean = {0.5, 0.5, 0.5};  ///< of the channels in 0..1, subtracted
  std::vector<double> image_std = {0.5, 0.5, 0.5};   ///< of the channels in 0..1, divided by

  /// Side of the square of pixels that becomes one token.
  int64_t factor() const { return patch_size * merge_size; }

  /// A model folder or its `preprocessor_config.json`, in the spelling of any version of transformers. Throws not_found
  /// or, for settings that are not handled, unsupported.
  LLMDIT_EXPORT static VLImageOptions load(const std::filesystem::path& path);

  bool operator==(const VLImageOptions&) const = default;
};

struct PictureSides {
  int64_t height = 0;  ///< pixels
  int64_t width = 0;   ///< pixels

  bool operator==(const PictureSides&) const = default;
};

/// The size a picture is brought to: multiples of `factor` near its own, with `min_pixels` to `max_pixels` in all.
/// Throws invalid_argument for sides below 1, one side more than 200 times the other, or bounds that allow no size.
LLMDIT_EXPORT PictureSides smart_resize(int64_t height, int64_t width, int64_t factor = VLImageOptions{}.factor(),
                                        int64_t min_pixels = VLImageOptions{}.min_pixels,
                                        int64_t max_pixels = VLImageOptions{}.max_pixels);

/// A picture as the vision tower takes it.
struct PixelValues {
  at::Tensor pixel_values;            ///< [patches, channels * temporal_patch_size * patch_size^2] float32, the patches
                                      ///< of each token one after another
  std::array<int64_t, 3> grid_thw{};  ///< patches in time, from top to bottom, and from left to right

  /// Tokens that the picture becomes.
  int64_t token_count(const VLImageOptions& options) const {
    return grid_thw[0] * grid_thw[1] * grid_thw[2] / (options.merge_size * options.merge_size);
  }
};

/// smart_resize by an antialiasing bicubic filter on 8 bits, normalisation, and cutting into patches.
LLMDIT_EXPORT PixelValues preprocess_image(const Image& image, const VLImageOptions& options = {});

}  // namespace llmdit
