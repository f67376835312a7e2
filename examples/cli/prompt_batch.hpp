#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "prompt_input.hpp"

namespace llmdit::cli {

/// The prompts of a command that takes several: one as for any command, those of --prompts, and what --expand makes of
/// them.
class PromptBatch {
 public:
  explicit PromptBatch(CLI::App& app);

  bool is_given() const { return one_.is_given() || !file_.empty(); }

  /// For those who read none: throws UsageError for flags that would change them.
  void check_unused() const;

  /// At least one. Throws UsageError unless they were given in exactly one way, not_found for what cannot be read.
  std::vector<std::string> read() const;

 private:
  PromptInput one_;
  std::string file_;
  bool expands_ = false;
  CLI::Option* lists_flag_;
  std::string lists_ = "wildcards";
};

}  // namespace llmdit::cli
