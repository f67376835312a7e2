#pragma once

#include <string_view>

namespace llmdit::config {

/// The library's own profiles, as TOML; a file's profile of the same name takes the place of one.
inline constexpr std::string_view builtin_profiles = R"([default]

# Everything on one large GPU, in 16 bits.
[rtx4090]
extends = "default"
pipeline.device = "cuda"
encoder.torch_dtype = "bfloat16"

# A small GPU: the transformer on it in 8 bits, the text encoder on the CPU, the autoencoder tile by tile.
[low_vram]
extends = "default"
pipeline.device = "cuda"
pipeline.quantization = "int8"
pipeline.vae_tiling = "on"
encoder.device = "cpu"

# The CPU, also where there is a GPU.
[cpu]
extends = "default"
pipeline.device = "cpu"

# The demo model, which draws shapes of 128 x 128 pixels in 8 steps.
[demo]
extends = "default"
model_path = ""
generation.num_inference_steps = 8
)";

}  // namespace llmdit::config
