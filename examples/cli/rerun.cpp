#include "rerun.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "exit_codes.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

bool is_given(const GenerateOptions& options, const std::string& input) {
  return (input == "image" && options.image) || (input == "mask_image" && options.mask_image) ||
         (input == "vl_image" && options.vl_image);
}

/// The flag that gives an input; nothing for what only a program can give.
std::string_view flag_of(const std::string& input) {
  if (input == "image") return "--image";
  if (input == "mask_image") return "--mask";
  return input == "vl_image" ? "--vl-image" : "";
}

/// As --lora takes it.
std::string lora_text(const Lora& lora) {
  return fmt::format("{}:{}{}", lora.path.string(), lora.scale, lora.text_encoder ? ":te" : "");
}

}  // namespace

Rerun::Rerun(CLI::App& app) {
  add_text_flag(app, "--from", path_, "FILE", "make this picture again by the settings inside it; flags change them")
      ->group("Picture");
}

void Rerun::read(LoadOptions& load, GenerateOptions& options) {
  settings_ = read_picture_settings(path_);
  picture_ = read_image(path_);
  is_lossy_ = read_image_info(path_).format != ImageFormat::png;
  options = settings_.options;
  options.output_type = OutputType::image;  // what a program may have asked for instead is no file
  for (const Lora& lora : settings_.loras) load.lora.push_back(lora_text(lora));
}

void Rerun::check_inputs(const GenerateOptions& options) const {
  for (const std::string& input : settings_.unrecorded) {
    if (is_given(options, input)) continue;
    const std::string_view flag = flag_of(input);
    throw UsageError(fmt::format(
        "--from: {} was made with {}, which it cannot hold; {}", path_, input,
        flag.empty() ? "it can be made again from C++ or Python only" : fmt::format("give it by {}", flag)));
  }
}

void Rerun::compare(const GenerateResult& result, const Console& console) {
  if (!is_asked_for()) return;
  const Image& made = result.images.front();
  if (result.model != settings_.model)
    console.warn(fmt::format("{} was made by the model {}, this is {}", path_, settings_.model, result.model));
  if (made.width != picture_.width || made.height != picture_.height) {
    console.note(fmt::format("of another size than {}: {} x {}, not {} x {}", path_, made.width, made.height,
                             picture_.width, picture_.height));
    return;
  }
  int largest = 0;
  for (size_t i = 0; i < made.pixels.size(); ++i)
    largest = std::max(largest, std::abs(int{made.pixels[i]} - int{picture_.pixels[i]}));
  largest_difference_ = largest;
  if (largest == 0) return console.note(fmt::format("identical to {}", path_));
  const char* reason =
      is_lossy_ ? "its format loses some" : "equal are those of the same files, types, devices and threads";
  console.note(fmt::format("not identical to {}: samples differ by up to {} of 255; {}", path_, largest, reason));
}

Json Rerun::json() const {
  if (!is_asked_for()) return nullptr;
  return {{"from", path_},
          {"identical", largest_difference_ == 0},
          {"largest_difference", largest_difference_ ? Json(*largest_difference_) : Json(nullptr)}};
}

}  // namespace llmdit::cli
