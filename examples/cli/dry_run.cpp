#include "dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "field_filters.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/inspect.hpp"
#include "llmdit/lora.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/tokenizer.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"
#include "plan_report.hpp"

namespace llmdit::cli {
namespace {

struct Part {
  const char* name;
  std::filesystem::path path;
};

/// Those that the run loads.
std::vector<Part> parts_of(const DryRun& plan, const ModelSources& sources) {
  std::vector<Part> parts;
  if (plan.encodes_here) parts = {{"tokenizer", sources.tokenizer()}, {"text_encoder", sources.text_encoder()}};
  parts.push_back({"transformer", sources.transformer()});
  parts.push_back({"vae", sources.vae()});
  parts.push_back({"scheduler", sources.scheduler()});
  return parts;
}

/// A run with what the text side would make of its prompt.
struct Encoded {
  const PlannedRun* run;
  std::optional<std::string> text;  // nothing where embeddings take its place
  std::optional<size_t> tokens;     // nothing where another machine counts them
  std::vector<std::string> paths;
};

std::vector<Encoded> encoded_runs(const DryRun& plan, const ModelSources& sources) {
  std::optional<Tokenizer> tokenizer;
  if (plan.encodes_here && plan.has_prompts) tokenizer = Tokenizer::load(sources.tokenizer());
  const ChatOptions chat = resolve_template(plan.options.chat);
  std::vector<Encoded> list;
  size_t picture = 0;
  for (const PlannedRun& run : plan.runs) {
    Encoded encoded{.run = &run, .text = {}, .tokens = {}, .paths = {}};
    if (plan.has_prompts) encoded.text = format_prompt(run.prompt, chat);
    if (tokenizer) encoded.tokens = tokenizer->encode(*encoded.text).size();
    for (size_t i = 0; i < run.pictures.size(); ++i, ++picture) {
      encoded.paths.push_back(plan.paths[std::min(picture, plan.paths.size() - 1)].string());
    }
    list.push_back(std::move(encoded));
  }
  return list;
}

/// What gave each setting its value.
class Origins {
 public:
  explicit Origins(const DryRun& plan) : config_(plan.config), configured_(runtime_config(plan.config)) {
    in_force_.model = plan.model.string();
    in_force_.load = plan.load;
    in_force_.generate = plan.options;
    in_force_.encoder = plan.encoder;
    // Of no use here.
    in_force_.rewrite = configured_.rewrite;
    in_force_.rewriter = configured_.rewriter;
    in_force_.server = configured_.server;
  }

  OptionValue value(const Setting& setting) const { return setting.get(in_force_); }

  std::string of(const Setting& setting) const {
    if (setting.key != "model_path" && value(setting) != setting.get(configured_))
      return "the picture of --from, or a flag's older name";
    const ConfigEntry* entry = config_.find(setting.key);
    return entry ? entry->origin : "built-in";
  }

 private:
  const Config& config_;
  RuntimeConfig configured_, in_force_;
};

/// Those of the paths where a file would go.
std::vector<std::string> replaced(const std::vector<std::string>& paths) {
  std::vector<std::string> list;
  std::ranges::copy_if(paths, std::back_inserter(list), [](const std::string& path) { return would_replace(path); });
  return list;
}

/// Adapters with what they change, in words.
std::vector<std::pair<std::string, std::string>> loras_of(const LoadOptions& load) {
  std::vector<std::pair<std::string, std::string>> list;
  for (const std::string& text : load.lora) {
    std::error_code ignored;
    const std::filesystem::path path = parse_lora(text).path;
    std::string changes;
    if (std::filesystem::is_regular_file(path, ignored)) {
      for (const ComponentInfo& part : inspect(path).loads) {
        if (part.component == "lora") changes = fmt::format("{}, {}", part.model, part.sizes);
      }
    }
    list.emplace_back(text, changes);
  }
  return list;
}

}  // namespace

MemoryPlan foresee(const DryRun& plan) {
  std::vector<std::string> prompts;
  for (const PlannedRun& run : plan.runs) {
    if (plan.has_prompts && std::ranges::find(prompts, run.prompt) == prompts.end()) prompts.push_back(run.prompt);
  }
  return plan_memory(plan.model, plan.load, plan.options, prompts,
                     {.encodes_here = plan.encodes_here, .has_encoder = plan.has_encoder, .is_batch = false});
}

std::string listing(const DryRun& plan, const MemoryPlan& memory) {
  const ModelSources sources(plan.model, plan.load);
  std::string out = fmt::format("model {}\n", sources.model().string());
  for (const Part& part : parts_of(plan, sources))
    out += fmt::format("  {:<13} {}\n", part.name, part.path.empty() ? "built-in" : part.path.string());
  for (const auto& [lora, changes] : loras_of(plan.load))
    out += fmt::format("  {:<13} {}{}{}\n", "lora", lora, changes.empty() ? "" : ": ", changes);
  out += fmt::format("memory: {}\n", plan_line(memory));
  const RuntimeConfig defaults;
  const Origins origins(plan);
  out += "settings that are not built in\n";
  for (const Setting& setting : settings()) {
    const OptionValue value = origins.value(setting);
    if (setting.key != "model_path" && value != setting.get(defaults))
      out += fmt::format("  {} = {}    {}\n", setting.key, to_toml(value), origins.of(setting));
  }
  for (const Encoded& encoded : encoded_runs(plan, sources)) {
    const std::string seed = encoded.run->seed ? std::to_string(*encoded.run->seed) : "drawn";
    const std::string length = encoded.tokens ? fmt::format("{} tokens, ", *encoded.tokens) : "";
    const std::string what = plan.has_prompts ? json_text(encoded.run->prompt) : "embeddings of a file";
    out += fmt::format("run: {}seed {}: {}\n", length, seed, what);
    for (const std::string& path : encoded.paths)
      out += fmt::format("  {}{}\n", path, would_replace(path) ? " (replaces the file that is there)" : "");
  }
  return out;
}

Json document(const DryRun& plan, const MemoryPlan& memory) {
  const ModelSources sources(plan.model, plan.load);
  const Origins origins_of(plan);
  Json parts = Json::object(), runs = Json::array(), origins = Json::object(), loras = Json::array();
  for (const auto& [lora, changes] : loras_of(plan.load)) loras.push_back({{"lora", lora}, {"changes", changes}});
  for (const Part& part : parts_of(plan, sources))
    parts[part.name] = part.path.empty() ? Json() : Json(part.path.string());
  for (const Encoded& encoded : encoded_runs(plan, sources)) {
    runs.push_back({{"prompt", encoded.run->prompt},
                    {"formatted_prompt", encoded.text ? Json(*encoded.text) : Json()},
                    {"token_count", encoded.tokens ? Json(*encoded.tokens) : Json()},
                    {"seed", encoded.run->seed ? Json(*encoded.run->seed) : Json()},
                    {"pictures", encoded.paths},
                    {"replaces", replaced(encoded.paths)}});
  }
  for (const Setting& setting : settings()) origins[setting.key] = origins_of.of(setting);
  return {{"dry_run", true},
          {"model", sources.model().string()},
          {"parts", parts},
          {"loras", loras},
          {"memory", plan_document(memory)},
          {"warnings", memory.warnings},
          {"runs", runs},
          {"settings", settings_json(plan.options, is_picture_field)},
          {"load", settings_json(plan.load)},
          {"origins", origins}};
}

}  // namespace llmdit::cli
