#include "suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "llmdit/options.hpp"

namespace llmdit::cli {
namespace {

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::string describe_extra(const CLI::App& app, const std::string& extra) {
  if (extra.starts_with("-")) {
    const std::string flag = extra.substr(0, extra.find('='));
    // Of the program as a whole: options stand behind the command.
    for (const CLI::App* command : app.get_subcommands({})) {
      const std::vector<std::string> flags = flag_names(*command);
      if (std::ranges::find(flags, flag) == flags.end()) continue;
      return fmt::format("{} comes after a command, as in 'llmdit {} {}'", flag, command->get_name(), extra);
    }
    return fmt::format("unknown option {}{}", flag, suggestion(flag, flag_names(app)));
  }
  const std::vector<std::string> commands = command_names(app);
  if (!commands.empty()) return fmt::format("unknown command '{}'{}", extra, suggestion(extra, commands));
  return fmt::format("unexpected argument '{}'; a text with blanks needs quotes around it", extra);
}

}  // namespace

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string_view best = nearest_name(word, std::vector<std::string_view>(candidates.begin(), candidates.end()));
  return best.empty() ? "" : fmt::format(", did you mean {}?", best);
}

std::string describe_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining();
  // A misspelt flag leaves its value behind as one argument too many: the flag is what to talk about.
  const auto flag = std::ranges::find_if(extras, [](const std::string& extra) { return extra.starts_with("-"); });
  if (flag != extras.end()) return describe_extra(app, *flag);
  if (!extras.empty()) return describe_extra(app, extras.front());
  const std::string text = error.what();
  // "--steps: 1 required N missing"
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return text.substr(0, text.find(':')) + " needs a value";
  return text;
}

}  // namespace llmdit::cli
