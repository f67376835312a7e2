#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace llmdit {

// Where ComfyUI keeps the parts of its models, one file each.
inline constexpr std::string_view transformer_folders[] = {"diffusion_models", "unet"};
inline constexpr std::string_view text_encoder_folders[] = {"text_encoders", "clip"};
inline constexpr std::string_view vae_folders[] = {"vae"};

/// The weight files in these folders of `model`, folder by folder, sorted.
std::vector<std::filesystem::path> single_files(const std::filesystem::path& model,
                                                std::span<const std::string_view> folders);

/// Those in all of the folders above.
std::vector<std::filesystem::path> single_files(const std::filesystem::path& model);

}  // namespace llmdit
