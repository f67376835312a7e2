#include "command_tree.hpp"

#include <algorithm>

#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

FlagInfo describe(const CLI::Option& option) {
  FlagInfo flag{.names = {}, .value = "", .help = option.get_description(), .choices = choices_of(option)};
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  // The parser has the two forms of a switch in one list.
  std::ranges::stable_partition(flag.names, [](const std::string& name) { return !name.starts_with("--no-"); });
  if (option.get_type_size() != 0) flag.value = option.get_type_name();
  return flag;
}

CommandInfo describe(const CLI::App& app) {
  CommandInfo command{.name = app.get_name(),
                      .summary = app.get_description(),
                      .flags = {},
                      .positional = {},
                      .examples = app.get_footer()};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      command.positional.push_back(option->get_name(true));
    } else if (!option->get_group().empty()) {
      command.flags.push_back(describe(*option));
    }
  }
  return command;
}

}  // namespace

bool CommandInfo::takes_paths() const {
  return std::ranges::any_of(positional, [](const std::string& name) { return name == "PATH" || name == "INPUT"; });
}

std::vector<CommandInfo> describe_commands(const CLI::App& command) {
  std::vector<CommandInfo> commands;
  const CLI::App* program = command.get_parent() ? command.get_parent() : &command;
  for (const CLI::App* app : program->get_subcommands({})) commands.push_back(describe(*app));
  return commands;
}

}  // namespace llmdit::cli
