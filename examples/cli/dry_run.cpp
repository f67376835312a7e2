#include "dry_run.hpp"

#include <fmt/format.h>

#include "field_filters.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/tokenizer.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

struct Part {
  const char* name;
  std::filesystem::path path;
};

std::vector<Part> parts_of(const ModelSources& sources) {
  return {{"tokenizer", sources.tokenizer()},
          {"text_encoder", sources.text_encoder()},
          {"transformer", sources.transformer()},
          {"vae", sources.vae()},
          {"scheduler", sources.scheduler()}};
}

/// A run with what the text side would make of its prompt.
struct Encoded {
  const PlannedRun* run;
  std::string text;
  size_t tokens;
  std::vector<std::string> paths;
};

std::vector<Encoded> encoded_runs(const DryRun& plan, const ModelSources& sources) {
  const Tokenizer tokenizer = Tokenizer::load(sources.tokenizer());
  const ChatOptions chat = resolve_template(plan.options.chat);
  std::vector<Encoded> list;
  size_t picture = 0;
  for (const PlannedRun& run : plan.runs) {
    Encoded encoded{.run = &run, .text = format_prompt(run.prompt, chat), .tokens = 0, .paths = {}};
    encoded.tokens = tokenizer.encode(encoded.text).size();
    for (size_t i = 0; i < run.pictures.size(); ++i, ++picture) {
      encoded.paths.push_back(plan.paths[std::min(picture, plan.paths.size() - 1)].string());
    }
    list.push_back(std::move(encoded));
  }
  return list;
}

std::string origin_of(const DryRun& plan, const Setting& setting) {
  const ConfigEntry* entry = plan.config.find(setting.key);
  return entry ? entry->origin : "built-in";
}

}  // namespace

std::string listing(const DryRun& plan) {
  const ModelSources sources(plan.model, plan.load);
  std::string out = fmt::format("model {}\n", sources.model().string());
  for (const Part& part : parts_of(sources))
    out += fmt::format("  {:<13} {}\n", part.name, part.path.empty() ? "built-in" : part.path.string());
  const RuntimeConfig defaults;
  RuntimeConfig in_force{.model = plan.model.string(), .load = plan.load, .generate = plan.options};
  out += "settings that are not built in\n";
  for (const Setting& setting : settings()) {
    const OptionValue value = setting.get(in_force);
    if (setting.key != "model_path" && value != setting.get(defaults))
      out += fmt::format("  {} = {}    {}\n", setting.key, to_toml(value), origin_of(plan, setting));
  }
  for (const Encoded& encoded : encoded_runs(plan, sources)) {
    const std::string seed = encoded.run->seed ? std::to_string(*encoded.run->seed) : "drawn";
    out += fmt::format("run: {} tokens, seed {}: {}\n", encoded.tokens, seed, json_text(encoded.run->prompt));
    for (const std::string& path : encoded.paths) out += fmt::format("  {}\n", path);
  }
  return out;
}

Json document(const DryRun& plan) {
  const ModelSources sources(plan.model, plan.load);
  Json parts = Json::object(), runs = Json::array(), origins = Json::object();
  for (const Part& part : parts_of(sources)) parts[part.name] = part.path.empty() ? Json() : Json(part.path.string());
  for (const Encoded& encoded : encoded_runs(plan, sources)) {
    runs.push_back({{"prompt", encoded.run->prompt},
                    {"formatted_prompt", encoded.text},
                    {"token_count", encoded.tokens},
                    {"seed", encoded.run->seed ? Json(*encoded.run->seed) : Json()},
                    {"pictures", encoded.paths}});
  }
  for (const Setting& setting : settings()) origins[setting.key] = origin_of(plan, setting);
  return {{"dry_run", true},
          {"model", sources.model().string()},
          {"parts", parts},
          {"runs", runs},
          {"settings", settings_json(plan.options, is_picture_field)},
          {"load", settings_json(plan.load)},
          {"origins", origins}};
}

}  // namespace llmdit::cli
