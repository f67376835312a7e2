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
  std::vector<std::string> choices;      ///< of the value, where only these are possible
  std::vector<std::string> suggestions;  ///< some values, such as names that are known on this machine

  bool takes_folder() const { return value == "FOLDER"; }
  /// A template is a name or a file.
  bool takes_path() const { return takes_folder() || value.starts_with("FILE") || value == "PATH" || is_template(); }
  bool is_template() const { return names.front() == "--template"; }
  /// Both, as what a shell offers.
  const std::vector<std::string>& words() const { return choices.empty() ? suggestions : choices; }
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
