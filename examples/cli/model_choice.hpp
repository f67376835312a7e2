#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "console.hpp"

namespace llmdit::cli {

/// The model a command works with: --model-path, else the environment's LLMDIT_MODEL, else the demo model.
class ModelChoice {
 public:
  explicit ModelChoice(CLI::App& app);
  ModelChoice(const ModelChoice&) = delete;
  ModelChoice& operator=(const ModelChoice&) = delete;

  /// The folder; says so on the console when it is the demo model's.
  std::filesystem::path resolve(const Console& console) const;

 private:
  std::string path_;
  CLI::Option* flag_;
};

}  // namespace llmdit::cli
