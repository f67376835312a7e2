#include "rerun.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

#include "exit_codes.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

/// An input that a picture cannot hold, and the flag that gives it again.
struct Input {
  std::string_view name;
  std::string_view flag;
  bool (*is_given)(const GenerateOptions& options);
};

constexpr Input inputs[] = {
    {"image", "--image", [](const GenerateOptions& options) { return options.image.has_value(); }},
    {"mask_image", "--mask", [](const GenerateOptions& options) { return options.mask_image.has_value(); }},
    {"vl_image", "--vl-image", [](const GenerateOptions& options) { return options.vl_image.has_value(); }},
    {"prompt_embeds", "--embeddings", [](const GenerateOptions& options) { return options.prompt_embeds.has_value(); }},
    {"negative_prompt_embeds", "--negative-embeddings",
     [](const GenerateOptions& options) { return options.negative_prompt_embeds.has_value(); }},
};

/// As --lora takes it.
std::string lora_text(const Lora& lora) {
  return fmt::format("{}:{}{}", lora.path.string(), lora.scale, lora.text_encoder ? ":te" : "");
}

/// The settings as a picture's own text has them.
Json settings_text(const ImageText& text) {
  const auto found = std::ranges::find(text, "llmdit", [](const auto& entry) { return entry.first; });
  return found == text.end() ? Json::object() : Json::parse(found->second);
}

/// "load.dtype" and its value, for everything inside.
void flatten(const Json& json, const std::string& prefix, std::map<std::string, std::string>& out) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      flatten(value, key == "made_with" ? prefix : prefix + key + ".", out);
    } else {
      out[prefix + key] = value.is_null() ? "none given" : value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
}

}  // namespace

Rerun::Rerun(CLI::App& app) {
  add_text_flag(app, "--from", path_, "FILE", "make this picture again by the settings inside it; flags change them")
      ->group("Picture");
}

void Rerun::read(LoadOptions& load, GenerateOptions& options) {
  settings_ = read_picture_settings(path_);
  picture_ = read_image(path_);
  const ImageInfo info = read_image_info(path_);
  is_lossy_ = info.format != ImageFormat::png;
  recorded_ = settings_text(info.text);
  options = settings_.options;
  options.output_type = OutputType::image;  // what a program may have asked for instead is no file
  if (settings_.load) {
    for (const auto& [name, value] : recorded_.at("load").items())
      set_option(load, name, get_option(*settings_.load, name));
  }
  load.lora.clear();  // those of a profile were not on
  for (const Lora& lora : settings_.loras) load.lora.push_back(lora_text(lora));
}

void Rerun::check_inputs(const GenerateOptions& options) const {
  for (const std::string& input : settings_.unrecorded) {
    const auto known = std::ranges::find(inputs, input, &Input::name);
    if (known != std::end(inputs) && known->is_given(options)) continue;
    throw UsageError(fmt::format("--from: {} was made with {}, which it cannot hold; {}", path_, input,
                                 known == std::end(inputs) ? "it can be made again from C++ or Python only"
                                                           : fmt::format("give it by {}", known->flag)));
  }
}

std::vector<Rerun::Difference> Rerun::differences_from(const Json& now) const {
  std::map<std::string, std::string> were, are;
  flatten(recorded_, "", were);
  flatten(now, "", are);
  std::vector<Difference> differences;
  for (const auto& [name, was] : were) {
    const auto found = are.find(name);
    const std::string is = found == are.end() ? "none" : found->second;
    if (is != was && name != "version") differences.push_back({name, was, is});  // made_with tells that, too
  }
  for (const auto& [name, is] : are) {
    if (!were.contains(name) && recorded_.contains("made_with")) differences.push_back({name, "none", is});
  }
  return differences;
}

void Rerun::compare(const GenerateResult& result, const ImageText& text, const Console& console) {
  if (!is_asked_for()) return;
  const Image& made = result.images.front();
  differences_ = differences_from(settings_text(text));
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
  const char* reason = !differences_.empty()             ? ""
                       : is_lossy_                       ? "; its format loses some"
                       : recorded_.contains("made_with") ? "; all that it tells of itself is the same"
                                                         : "; it does not tell types, devices and threads";
  console.note(fmt::format("not identical to {}: samples differ by up to {} of 255{}", path_, largest, reason));
  for (const Difference& difference : differences_)
    console.note(fmt::format("  made with {} {}, now {}", difference.name, difference.was, difference.is));
}

Json Rerun::json() const {
  if (!is_asked_for()) return nullptr;
  Json differences = Json::object();
  for (const Difference& difference : differences_)
    differences[difference.name] = {{"was", difference.was}, {"is", difference.is}};
  return {{"from", path_},
          {"identical", largest_difference_ == 0},
          {"largest_difference", largest_difference_ ? Json(*largest_difference_) : Json(nullptr)},
          {"differences", differences}};
}

}  // namespace llmdit::cli
