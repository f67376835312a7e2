#include "pipeline/single_files.hpp"

#include <algorithm>
#include <iterator>

namespace llmdit {

namespace fs = std::filesystem;

std::vector<fs::path> single_files(const fs::path& model, std::span<const std::string_view> folders) {
  std::vector<fs::path> files;
  for (const std::string_view folder : folders) {
    const auto begin = static_cast<std::ptrdiff_t>(files.size());
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(model / folder, error)) {
      const bool is_weights = entry.path().extension() == ".safetensors" || entry.path().extension() == ".gguf";
      if (is_weights) files.push_back(entry.path());
    }
    std::sort(files.begin() + begin, files.end());
  }
  return files;
}

std::vector<fs::path> single_files(const fs::path& model) {
  constexpr std::span<const std::string_view> parts[] = {text_encoder_folders, transformer_folders, vae_folders};
  std::vector<fs::path> files;
  for (const auto& folders : parts) {
    std::ranges::copy(single_files(model, folders), std::back_inserter(files));
  }
  return files;
}

}  // namespace llmdit
