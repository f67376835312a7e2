#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace llmdit::cli {

/// A flag of a command, as completion scripts and the manual tell of it.
struct FlagInfo {
  std::vector<std::string> names;  ///< with their dashes, the one for the help first; a switch's --no- forms last
  std::string value;               ///< "" for a switch
  std::string help;
  std::vector<std::string> choices;  ///< of the value, where only these are possible

  bool takes_path() const { return value == "FILE" || value == "PATH" || value == "FOLDER"; }
};

struct CommandInfo {
  std::string name;
  std::string summary;
  std::vector<FlagInfo> flags;          ///< without hidden ones, --help and --help-all among them
  std::vector<std::string> positional;  ///< e.g. "PROMPT"; empty for none
  std::string examples;

  bool takes_paths() const;
};

/// The commands of the program that `command` is one of, in their order.
std::vector<CommandInfo> describe_commands(const CLI::App& command);

}  // namespace llmdit::cli
