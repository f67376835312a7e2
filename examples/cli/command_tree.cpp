#include "command_tree.hpp"

#include <algorithm>

#include "llmdit/config.hpp"
#include "llmdit/device.hpp"
#include "llmdit/error.hpp"
#include "llmdit/prompt_template.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

/// Templates for pictures, or those that tell a language model how to reword.
std::vector<std::string> template_names(bool of_rewriters) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : TemplateRegistry::standard()) {
    if ((entry.category == "rewriter") == of_rewriters) names.push_back(name);
  }
  return names;
}

/// The library's profiles and those of the file that is in force.
std::vector<std::string> profile_names() {
  std::vector<std::string> names(std::begin(kBuiltInProfiles), std::end(kBuiltInProfiles));
  try {
    if (const auto file = find_config()) {
      for (const std::string& name : check_config(*file).profiles) {
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
      }
    }
  } catch (const Error&) {  // a file that cannot be read has none to offer
  }
  return names;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names = {"auto"};
  for (const DeviceInfo& device : available_devices()) names.push_back(device.name);
  return names;
}

/// Values that this machine knows of for a flag that takes others, too.
std::vector<std::string> suggestions_for(const FlagInfo& flag) {
  try {
    if (flag.is_template()) return template_names(/*of_rewriters=*/false);
    if (flag.names.front() == "--rewriter") return template_names(/*of_rewriters=*/true);
  } catch (const Error&) {  // without the library's templates
    return {};
  }
  if (flag.names.front() == "--profile") return profile_names();
  if (flag.value == "DEVICE") return device_names();
  return {};
}

FlagInfo describe(const CLI::Option& option) {
  FlagInfo flag{
      .names = {}, .value = "", .help = option.get_description(), .choices = choices_of(option), .suggestions = {}};
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  // The parser has the two forms of a switch in one list.
  std::ranges::stable_partition(flag.names, [](const std::string& name) { return !name.starts_with("--no-"); });
  if (option.get_type_size() != 0) flag.value = option.get_type_name();
  flag.suggestions = suggestions_for(flag);
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
