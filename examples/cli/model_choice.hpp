#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "console.hpp"
#include "llmdit/config.hpp"

namespace llmdit::cli {

/// The library's own profiles.
inline constexpr const char* kBuiltInProfiles[] = {"default", "rtx4090", "low_vram", "cpu", "demo"};

/// The flags --config and --profile: the settings that a command's own flags change.
class ConfigFlags {
 public:
  ConfigFlags(CLI::App& app, const char* group);
  ConfigFlags(const ConfigFlags&) = delete;
  ConfigFlags& operator=(const ConfigFlags&) = delete;

  /// What the profile gives, and over it the environment.
  Config config() const;

  /// The file it reads; nothing without one.
  std::optional<std::filesystem::path> file() const;

 private:
  std::string config_, profile_;
};

/// These and --model-path: the model a command works with.
class ModelChoice {
 public:
  explicit ModelChoice(CLI::App& app);
  ModelChoice(const ModelChoice&) = delete;
  ModelChoice& operator=(const ModelChoice&) = delete;

  /// What the profile gives, and over it the environment and --model-path.
  Config config() const;
  std::optional<std::filesystem::path> config_file() const { return flags_.file(); }

  /// The model of these settings; says so on the console when it is the demo model.
  static std::filesystem::path resolve(const RuntimeConfig& settings, const Console& console);

 private:
  std::string model_;
  CLI::Option* model_flag_;
  ConfigFlags flags_;
};

}  // namespace llmdit::cli
