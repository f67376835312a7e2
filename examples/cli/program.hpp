#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command.hpp"
#include "help.hpp"
#include "json_output.hpp"

namespace llmdit::cli {

/// Command line in, exit code out.
class Program {
 public:
  explicit Program(std::span<const Command> commands);

  /// Runs the command that `arguments` name, without the program's own name among them. Returns the exit code.
  int run(std::vector<std::string> arguments);

 private:
  void parse(std::vector<std::string> arguments);
  int dispatch() const;
  void tell_about_itself() const;

  /// The command that was named, or the program as a whole.
  const CLI::App& selected() const;
  std::string selected_name() const;
  int report(const std::exception_ptr& exception) const;

  CLI::App app_{"Pictures from prompts with Z-Image, on a CPU or a GPU"};
  bool version_wanted_ = false;
  JsonFlag json_;
  std::optional<HelpLevel> help_wanted_;
  std::map<const CLI::App*, Action> actions_;
};

}  // namespace llmdit::cli
