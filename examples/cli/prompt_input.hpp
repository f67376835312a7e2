#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::cli {

/// A prompt given as the command's argument or by --prompt-file.
class PromptInput {
 public:
  explicit PromptInput(CLI::App& app);
  PromptInput(const PromptInput&) = delete;
  PromptInput& operator=(const PromptInput&) = delete;

  bool is_given() const { return argument_flag_->count() + file_flag_->count() > 0; }

  /// The prompt. Throws UsageError unless it was given in exactly one way, not_found for a file that cannot be read.
  std::string read() const;

 private:
  std::string argument_;
  std::string file_;
  CLI::Option* argument_flag_;
  CLI::Option* file_flag_;
};

/// The UTF-8 text of a file, or of stdin for "-", without a byte order mark. `what` names it in messages. Throws
/// not_found with the system's reason.
std::string read_text(const std::string& path, std::string_view what);

/// The lines of a list of prompts: neither blank ones nor those that begin with #, without what ends them. A line that
/// is to begin with # itself has \# there.
std::vector<std::string> prompt_lines(std::string_view text);

}  // namespace llmdit::cli
