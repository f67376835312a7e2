#include "picture_inputs.hpp"

#include <fmt/format.h>

#include "exit_codes.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"

namespace llmdit::cli {

PictureInputs::PictureInputs(CLI::App& app, bool has_preview) {
  constexpr const char* group = "Picture";
  add_text_flag(app, "--image,--img2img", image_, "FILE", "start from this PNG, JPEG or WebP picture")->group(group);
  add_text_flag(app, "--mask", mask_, "FILE", "paint the image anew where this picture is white")->group(group);
  add_text_flag(app, "--vl-image", vl_image_, "FILE", "blend the prompt with what Qwen3-VL sees in this picture")
      ->group(group);
  if (has_preview)
    add_text_flag(app, "--preview", preview_, "FILE", "write a rough picture of every step to this file")->group(group);
  // Old names: not in the help.
  app.add_flag("--tiled-vae", tiled_, "the same as --vae-tiling on")->group("");
  app.add_flag("--vl-no-auto-unload", keeps_vl_, "the same as --no-vl-auto-unload")->group("");
}

void PictureInputs::apply(GenerateOptions& options, LoadOptions& load) const {
  if (keeps_vl_) load.vl_auto_unload = false;
  constexpr ReadImageOptions on_black{.background = {0, 0, 0}};  // what is transparent in a mask is kept
  if (!image_.empty()) options.image = read_image(image_);
  if (!mask_.empty()) options.mask_image = read_image(mask_, on_black);
  if (!vl_image_.empty()) options.vl_image = read_image(vl_image_);
  if (tiled_) options.vae_tiling = TilingMode::on;
}

void PictureInputs::check_preview(std::span<const std::string> sources,
                                  std::span<const std::filesystem::path> pictures) const {
  if (preview_.empty()) return;
  check_output(preview_, "--preview", sources);
  for (const std::filesystem::path& picture : pictures) {
    if (is_same_file(preview_, picture))
      throw UsageError(fmt::format("--preview: {} is also the picture's own name; name another file", preview_));
  }
}

void PictureInputs::write_preview(const AutoencoderKL& vae, const StepInfo& info) const {
  if (preview_.empty()) return;
  create_parent_folders(preview_);
  write_image(preview_, vae.preview(info.latents, vae.config().vae_scale_factor()));
}

}  // namespace llmdit::cli
