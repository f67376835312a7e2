#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "llmdit/generate_options.hpp"

namespace llmdit {

struct PictureSize {
  int64_t width = 0;
  int64_t height = 0;

  bool operator==(const PictureSize&) const = default;
};

/// Whether only a part of the image is painted anew.
bool repaints(const GenerateOptions& options);

/// The first of `steps` that runs; `steps` for none. Computed in double, as the reference does.
int64_t first_step(int64_t steps, double strength);

/// Size of the options' image, with what is added around it. Throws invalid_argument for something that is no picture.
PictureSize source_size(const GenerateOptions& options);

/// The size to generate in: the options', or that of the source brought down to multiples. `warnings` are told what is
/// cut or stretched.
PictureSize size_for_source(const GenerateOptions& options, int64_t multiple, std::vector<std::string>& warnings);

/// The options' image and mask in the size of the result.
struct SourcePicture {
  at::Tensor pixels;  ///< [1, 3, height, width] float32 in 0..1
  at::Tensor mask;    ///< [1, 1, height, width] float32, 1 where painted anew; undefined without
};

SourcePicture load_source(const GenerateOptions& options, const PictureSize& size, std::vector<std::string>& warnings);

/// The mask for latents, [1, 1, height / scale, width / scale]: hard ones by their nearest pixel, as the reference has
/// it, feathered ones averaged.
at::Tensor latent_mask(const at::Tensor& mask, int64_t scale, bool feathered);

}  // namespace llmdit
