#include "model_choice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "llmdit/demo_model.hpp"
#include "option_flags.hpp"
#include "setting_origins.hpp"

namespace llmdit::cli {

ConfigFlags::ConfigFlags(CLI::App& app, const char* group) {
  add_text_flag(app, "--config", config_, "FILE", "settings; default ~/.config/llmdit/config.toml")->group(group);
  add_text_flag(app, "--profile", profile_, "NAME",
                fmt::format("of the settings: {}, or one of your own", fmt::join(kBuiltInProfiles, ", ")))
      ->group(group);
}

Config ConfigFlags::config() const {
  const auto given = [](const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); };
  Config config = load_config(given(config_), given(profile_));
  config.overlay(environment_config());
  remember_origins(config);
  return config;
}

std::optional<std::filesystem::path> ConfigFlags::file() const {
  return config_.empty() ? find_config() : std::optional<std::filesystem::path>(config_);
}

ModelChoice::ModelChoice(CLI::App& app)
    : model_flag_(add_text_flag(app, "--model-path", model_, "PATH",
                                "folder, file or hub id in the cache; without one the demo model")),
      flags_(app, "Model") {
  model_flag_->group("Model");
}

Config ModelChoice::config() const {
  Config config = flags_.config();
  if (model_flag_->count() > 0) {
    const ConfigEntry entry{.key = "model_path", .value = model_, .origin = "flag --model-path"};
    config.overlay(Config::from_entries({&entry, 1}));
  }
  return config;
}

std::filesystem::path ModelChoice::resolve(const RuntimeConfig& settings, const Console& console) {
  if (!settings.model.empty()) return settings.model;
  const std::filesystem::path demo = demo_model_path();
  console.note(fmt::format(
      "using the demo model, as neither --model-path, LLMDIT_MODEL nor a profile names another: {}", demo.string()));
  return demo;
}

}  // namespace llmdit::cli
