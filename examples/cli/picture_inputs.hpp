#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>
#include <string>

#include "llmdit/z_image_pipeline.hpp"

namespace llmdit::cli {

/// The flags of pictures to start from, and of those on the way.
class PictureInputs {
 public:
  explicit PictureInputs(CLI::App& app, bool has_preview = true);
  PictureInputs(const PictureInputs&) = delete;
  PictureInputs& operator=(const PictureInputs&) = delete;

  /// Reads the pictures into the options.
  void apply(GenerateOptions& options, LoadOptions& load) const;

  /// Throws UsageError for a preview in the place of a source or of a picture, and as check_output.
  void check_preview(std::span<const std::string> sources, std::span<const std::filesystem::path> pictures) const;
  void write_preview(const AutoencoderKL& vae, const StepInfo& info) const;

  const std::string& image() const { return image_; }
  const std::string& mask() const { return mask_; }
  const std::string& vl_image() const { return vl_image_; }

 private:
  std::string image_, mask_, vl_image_, preview_;
  bool tiled_ = false, keeps_vl_ = false;
};

}  // namespace llmdit::cli
