#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "llmdit/version.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "text/utf8.hpp"

namespace llmdit {
namespace {

constexpr std::pair<std::string_view, std::string Template::*> kTemplateParts[] = {
    {"system_prompt", &Template::system_prompt},
    {"thinking_content", &Template::thinking_content},
    {"assistant_content", &Template::assistant_content},
};

nlohmann::json to_json(const OptionValue& value) {
  return std::visit(
      [](const auto& v) -> nlohmann::json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

/// What a run was given besides its settings, and a rerun from them lacks.
std::vector<std::string> unrecorded_inputs(const GenerateOptions& options) {
  std::vector<std::string> names;
  if (options.latents) names.push_back("latents");
  if (options.prompt_embeds) names.push_back("prompt_embeds");
  if (options.negative_prompt_embeds && options.guidance_scale > 0) names.push_back("negative_prompt_embeds");
  if (!options.generators.empty()) names.push_back("generator");
  if (options.image) names.push_back("image");
  if (options.mask_image) names.push_back("mask_image");
  if (options.vl_image && options.vl.alpha > 0) names.push_back("vl_image");
  return names;
}

/// Whether a loading option bears on pictures; adapters do, too, and stand apart.
bool bears_on_pictures(const OptionField& field) {
  return field.name == "dtype" || field.name == "attention_backend" || field.name.ends_with("quantization") ||
         field.name.ends_with("_path");
}

nlohmann::json load_json(const LoadOptions& options) {
  nlohmann::json json;
  for (const OptionField& field : option_fields<LoadOptions>()) {
    if (bears_on_pictures(field)) json[std::string(field.name)] = to_json(field.get(&options));
  }
  return json;
}

/// A template's parts, so that a picture can be made again where the template is missing or another by now.
nlohmann::json template_json(const Template& used) {
  nlohmann::json json = {{"name", used.name}, {"add_think_block", used.add_think_block}};
  for (const auto& [key, part] : kTemplateParts) json[std::string(key)] = used.*part;
  return json;
}

Template template_from(const io::JsonObject& json) {
  Template used{.name = json.get<std::string>("name"), .add_think_block = json.get<bool>("add_think_block")};
  for (const auto& [key, part] : kTemplateParts) used.*part = json.get<std::string>(key);
  return used;
}

// What the run really used stands in place of "not given"; `seed` and `num_images_per_prompt` are those that make this
// picture alone.
nlohmann::json settings(std::string_view prompt, const GenerateOptions& options, const GenerateResult& result,
                        size_t index) {
  nlohmann::json json;
  json["version"] = version();
  json["model"] = result.model;
  json["prompt"] = prompt;
  for (const OptionField& field : option_fields<GenerateOptions>())
    json[std::string(field.name)] = to_json(field.get(&options));
  json.erase("templates_dir");  // of no use elsewhere; the template itself is kept below
  if (const auto& used = result.prompt_template) {
    json["template"] = used->name;
    json["prompt_template"] = template_json(*used);
  }
  json["width"] = result.images[index].width;
  json["height"] = result.images[index].height;
  json["num_inference_steps"] = schedule_steps(options);
  json["seed"] = index < result.seeds.size() ? nlohmann::json(result.seeds[index]) : nullptr;
  json["num_images_per_prompt"] = 1;
  if (result.shift) json["shift"] = *result.shift;
  json["load"] = load_json(result.load);
  json["made_with"] = result.made_with;
  for (const Lora& lora : result.loras)
    json["loras"].push_back({{"path", lora.path.string()}, {"scale", lora.scale}, {"text_encoder", lora.text_encoder}});
  if (result.vae_tiled) json["vae_tiling"] = "on";  // which elsewhere may not be chosen
  if (const auto names = unrecorded_inputs(options); !names.empty()) json["unrecorded"] = names;
  return json;
}

/// A value of the line below: quoted where its own characters would end it.
std::string line_value(std::string_view value) {
  if (value.find_first_of(",:\n") == value.npos) return std::string(value);
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The one-line form that A1111 began and most galleries read; its CFG scale is the classic one.
std::string parameters_line(std::string_view prompt, const GenerateOptions& options, const GenerateResult& result,
                            size_t index) {
  std::string text(prompt);
  if (options.guidance_scale > 0 && !options.negative_prompt.empty())
    text += "\nNegative prompt: " + options.negative_prompt;
  text +=
      fmt::format("\nSteps: {}, Sampler: Euler, CFG scale: {}", schedule_steps(options), options.guidance_scale + 1);
  if (index < result.seeds.size()) text += fmt::format(", Seed: {}", result.seeds[index]);
  if (options.image) text += fmt::format(", Denoising strength: {}", strength_of(options));
  if (result.prompt_template) text += ", Template: " + line_value(result.prompt_template->name);
  const Image& image = result.images[index];
  return text + fmt::format(", Size: {}x{}, Model: {}, Version: llmdit {}", image.width, image.height,
                            line_value(result.model), version());
}

// A prompt may be any bytes; a text chunk may not. Losing a letter there is better than losing the picture.
std::string as_chunk_text(std::string text) {
  std::string valid = text::replace_invalid_utf8(text).value_or(text);
  for (size_t at = valid.find('\0'); at != std::string::npos; at = valid.find('\0', at))
    valid.replace(at, 1, "\xEF\xBF\xBD");
  return valid;
}

/// A JSON value as a field's; its kind is checked by set_option.
OptionValue from_json(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  const bool is_list = value.is_array();
  const auto each = [&](auto holds) { return is_list && std::ranges::all_of(value, holds); };
  if (each([](const auto& item) { return item.is_number(); })) return value.get<std::vector<double>>();
  if (each([](const auto& item) { return item.is_string(); })) return value.get<std::vector<std::string>>();
  return std::monostate();
}

LoadOptions load_from(const io::JsonObject& json) {
  LoadOptions options;
  for (const auto& [name, value] : json.value().items()) {
    const OptionField& field = find_field(option_fields<LoadOptions>(), name);
    check(bears_on_pictures(field), "load", "expected options that bear on pictures, found {}", name);
    if (!value.is_null()) field.set(&options, check_value(field, from_json(value)));
  }
  return options;
}

/// Takes one value out of the settings; throws the library's own kinds only.
void read_setting(const io::JsonObject& json, const std::string& key, PictureSettings& settings) {
  const nlohmann::json& value = json.value().at(key);
  if (key == "version") return;
  if (key == "prompt") {
    settings.prompt = json.get<std::string>(key);
  } else if (key == "model") {
    settings.model = json.get<std::string>(key);
  } else if (key == "prompt_template") {
    settings.options.chat.prompt_template = template_from(json.object(key));
  } else if (key == "unrecorded") {
    settings.unrecorded = json.get<std::vector<std::string>>(key);
  } else if (key == "load") {
    settings.load = load_from(json.object(key));
  } else if (key == "made_with") {
    const io::JsonObject names = json.object(key);
    for (const auto& [name, what] : names.value().items()) settings.made_with[name] = names.get<std::string>(name);
  } else if (key == "loras") {
    for (const io::JsonObject& lora : json.objects(key)) {
      settings.loras.push_back({.path = io::path_from_utf8(lora.get<std::string>("path")),
                                .scale = lora.get<double>("scale"),
                                .text_encoder = lora.get_or<bool>("text_encoder", false)});
    }
  } else if (!value.is_null()) {  // null is "not given"
    set_option(settings.options, key, from_json(value));
  }
}

}  // namespace

PictureSettings read_picture_settings(const std::filesystem::path& picture) {
  return translate_errors("picture_settings", [&] {
    const ImageInfo info = read_image_info(picture);
    const auto text = std::ranges::find(info.text, "llmdit", [](const auto& entry) { return entry.first; });
    if (text == info.text.end()) {
      fail(ErrorCode::unsupported, "picture_settings",
           "{}: expected a picture that llmdit made, with its settings inside, "
           "found none; other programs' parameters are not read",
           io::printable_path(picture));
    }
    constexpr size_t longest = 1 << 20;  // bytes; settings of a picture are a few thousand
    if (text->second.size() > longest) {
      fail(ErrorCode::unsupported, "picture_settings", "{}: expected settings of at most {} bytes, found {}",
           io::printable_path(picture), longest, text->second.size());
    }
    PictureSettings settings;
    const io::JsonObject json = io::JsonObject::parse(picture, text->second);
    for (const auto& [key, value] : json.value().items()) {
      try {
        read_setting(json, key, settings);
      } catch (const std::exception& error) {
        fail(ErrorCode::unsupported, "picture_settings", "{}: setting \"{}\": {}", io::printable_path(picture),
             io::printable(key), io::printable(error.what()));
      }
    }
    return settings;
  });
}

ImageText picture_parameters(std::string_view prompt, const GenerateOptions& options, const GenerateResult& result,
                             size_t index) {
  check(index < result.images.size(), "picture_parameters", "expected an index below {}, got {}", result.images.size(),
        index);
  const auto replace = nlohmann::json::error_handler_t::replace;
  return {{"parameters", as_chunk_text(parameters_line(prompt, options, result, index))},
          {"llmdit", settings(prompt, options, result, index).dump(-1, ' ', false, replace)}};
}

}  // namespace llmdit
