#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/version.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"
#include "picture_output.hpp"
#include "progress_bar.hpp"
#include "prompt_input.hpp"
#include "rerun.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  llmdit generate "a red circle on a white background" --seed 7 -o out/circle.png
  llmdit generate "a dog" --seed 7 --image cat.png --mask mask.png --mask-feather 16)";

std::string seconds(double value) { return fmt::format("{:.2f} s", value); }

/// One line on what was done, for people.
std::string summary(const GenerateOptions& options, const GenerateResult& result) {
  const Image& first = result.images.front();
  const Timings& spent = result.timings;
  std::string seeds = fmt::format("seed {}", result.seeds.front());
  if (result.seeds.size() > 1) seeds = fmt::format("seeds {} to {}", result.seeds.front(), result.seeds.back());
  const auto ran = static_cast<int64_t>(result.sigmas.size()) - 1, scheduled = schedule_steps(options);
  const std::string steps = ran == scheduled ? fmt::format("{}", ran) : fmt::format("{} of {}", ran, scheduled);
  return fmt::format("{}, {} x {} pixels, {} steps in {} (encode {}, denoise {}, decode {})", seeds, first.width,
                     first.height, steps, seconds(spent.total), seconds(spent.encode), seconds(spent.denoise),
                     seconds(spent.decode));
}

/// The options with what was left open filled in, as far as one number says it.
GenerateOptions effective_options(GenerateOptions options, const ZImagePipeline& pipeline,
                                  const GenerateResult& result) {
  options.width = result.images.front().width;
  options.height = result.images.front().height;
  options.seed = result.seeds.front();
  options.num_inference_steps = schedule_steps(options);
  if (options.image) options.strength = strength_of(options);
  const SchedulerConfig& scheduler = pipeline.scheduler().config();
  if (!options.shift && !scheduler.use_dynamic_shifting) options.shift = scheduler.shift;
  return options;
}

Json timings_json(const Timings& timings) {
  return {{"encode", timings.encode},
          {"denoise", timings.denoise},
          {"decode", timings.decode},
          {"total", timings.total},
          {"steps", timings.steps}};
}

Json path_json(const std::string& path) { return path.empty() ? Json() : Json(path); }

/// What was read of the reference picture; null without one.
Json vl_json(const GenerateResult& result) {
  if (!result.vl) return nullptr;
  const VLExtraction& vl = *result.vl;
  Json json = {{"num_tokens", vl.num_tokens},
               {"hidden_layer", vl.hidden_layer},
               {"token_selection", token_selection_name(vl.token_selection)},
               {"original_std", vl.original_std},
               {"scaled_std", vl.scaled_std},
               {"scale_factor", vl.scale_factor},
               {"model_variant", vl.model_variant},
               {"full_prompt_with_tokens", vl.full_prompt_with_tokens},
               {"masked_dimensions", nullptr}};
  if (vl.masked_dimensions) json["masked_dimensions"] = *vl.masked_dimensions;
  return json;
}

Json pictures_json(const GenerateResult& result, const std::vector<WrittenPicture>& written) {
  Json pictures = Json::array();
  for (size_t i = 0; i < written.size(); ++i) {
    pictures.push_back({{"path", written[i].path},
                        {"seed", result.seeds[i]},
                        {"width", result.images[i].width},
                        {"height", result.images[i].height},
                        {"replaced", written[i].replaced}});
  }
  return pictures;
}

/// The flags of pictures to start from, and of those on the way.
class PictureInputs {
 public:
  explicit PictureInputs(CLI::App& app) {
    constexpr const char* group = "Picture";
    add_text_flag(app, "--image", image_, "FILE", "start from this PNG, JPEG or WebP picture")->group(group);
    add_text_flag(app, "--mask", mask_, "FILE", "paint the image anew where this picture is white")->group(group);
    add_text_flag(app, "--vl-image", vl_image_, "FILE", "blend the prompt with what Qwen3-VL sees in this picture")
        ->group(group);
    add_text_flag(app, "--preview", preview_, "FILE", "write a rough picture of every step to this file")->group(group);
    // Old names: not in the help.
    app.add_flag("--tiled-vae", tiled_, "the same as --vae-tiling on")->group("");
    app.add_flag("--vl-no-auto-unload", keeps_vl_, "the same as --no-vl-auto-unload")->group("");
  }

  /// Reads the pictures into the options.
  void apply(GenerateOptions& options, LoadOptions& load) const {
    if (keeps_vl_) load.vl_auto_unload = false;
    constexpr ReadImageOptions on_black{.background = {0, 0, 0}};  // what is transparent in a mask is kept
    if (!image_.empty()) options.image = read_image(image_);
    if (!mask_.empty()) options.mask_image = read_image(mask_, on_black);
    if (!vl_image_.empty()) options.vl_image = read_image(vl_image_);
    if (tiled_) options.vae_tiling = TilingMode::on;
  }

  void check_preview(std::span<const std::string> sources) const {
    if (!preview_.empty()) check_output(preview_, "--preview", sources);
  }

  void write_preview(const AutoencoderKL& vae, const StepInfo& info) const {
    if (preview_.empty()) return;
    create_parent_folders(preview_);
    write_image(preview_, vae.preview(info.latents, vae.config().vae_scale_factor()));
  }

  const std::string& image() const { return image_; }
  const std::string& mask() const { return mask_; }
  const std::string& vl_image() const { return vl_image_; }

 private:
  std::string image_, mask_, vl_image_, preview_;
  bool tiled_ = false, keeps_vl_ = false;
};

class GenerateCommand {
 public:
  explicit GenerateCommand(CLI::App& app)
      : prompt_(app),
        output_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model")),
        generate_flags_(OptionFlags::of<GenerateOptions>(app, "Picture", is_picture_field)),
        inputs_(app),
        rerun_(app) {
    app.footer(kExamples);
  }

  void run() {
    if (rerun_.is_asked_for()) rerun_.read(load_, options_);
    load_flags_.apply(load_);
    generate_flags_.apply(options_);
    inputs_.apply(options_, load_);
    rerun_.check_inputs(options_);
    const std::vector<std::string> sources = {rerun_.path(), inputs_.image(), inputs_.mask(), inputs_.vl_image()};
    output_.check(options_.num_images_per_prompt, sources);
    inputs_.check_preview(sources);
    const bool repeats_prompt = rerun_.is_asked_for() && !prompt_.is_given();
    const std::string prompt = repeats_prompt ? rerun_.prompt() : prompt_.read();
    const std::filesystem::path model = model_.resolve(console_);

    const Terminal terminal = console_.quiet() ? Terminal{} : stderr_terminal();
    InterruptGuard interrupt([&] {
      if (terminal.interactive) std::fputs("\n", stderr);  // the bar keeps its line, and its next one comes below
      console_.note("stopping after this step; Ctrl-C again quits at once");
    });
    const ZImagePipeline pipeline = ZImagePipeline::load(model, load_);
    const GenerateResult result = generate(pipeline, prompt, terminal, interrupt.token());
    for (const std::string& warning : result.warnings) console_.warn(warning);
    const std::vector<WrittenPicture> written = output_.write(
        result.images, [&](size_t i) { return picture_parameters(prompt, options_, result, i); }, console_);
    console_.note(summary(options_, result));
    rerun_.compare(result, console_);
    print_result(pipeline, prompt, result, written);
  }

 private:
  GenerateResult generate(const ZImagePipeline& pipeline, const std::string& prompt, const Terminal& terminal,
                          std::stop_token stop) const {
    ProgressBar bar(terminal, options_.num_inference_steps);
    GenerateOptions options = options_;
    options.stop = stop;
    const AutoencoderKL vae = pipeline.vae();
    options.on_step = [&](const StepInfo& info) {
      inputs_.write_preview(vae, info);
      bar.update(info.step + 1, info.total);
      return stop.stop_requested();
    };
    return pipeline.generate(prompt, options);
  }

  void print_result(const ZImagePipeline& pipeline, const std::string& prompt, const GenerateResult& result,
                    const std::vector<WrittenPicture>& written) const {
    if (output_.json()) {
      print_json({{"llmdit_version", version()},
                  {"model", pipeline.path().string()},
                  {"prompt", prompt},
                  {"image", path_json(inputs_.image())},
                  {"mask", path_json(inputs_.mask())},
                  {"vl_image", path_json(inputs_.vl_image())},
                  {"vl", vl_json(result)},
                  {"rerun", rerun_.json()},
                  {"formatted_prompt", result.formatted_prompts.front()},
                  {"pictures", pictures_json(result, written)},
                  {"token_counts", result.token_counts},
                  {"caption_lengths", result.caption_lengths},
                  {"compression_ratios", result.compression_ratios},
                  {"sigmas", json_numbers(result.sigmas)},
                  {"warnings", result.warnings},
                  {"timings", timings_json(result.timings)},
                  {"settings", settings_json(effective_options(options_, pipeline, result), is_picture_field)},
                  {"load", settings_json(load_)}});
    } else if (!output_.to_stdout()) {
      for (const WrittenPicture& picture : written) write_stdout(picture.path + "\n");
    }
  }

  PromptInput prompt_;
  PictureOutput output_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags generate_flags_;
  PictureInputs inputs_;
  Rerun rerun_;
  LoadOptions load_;
  GenerateOptions options_;
};

}  // namespace

Action add_generate(CLI::App& app) {
  return [command = std::make_shared<GenerateCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
