#include "program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "console.hpp"
#include "exit_codes.hpp"
#include "help.hpp"
#include "suggest.hpp"
#include "version_report.hpp"

namespace llmdit::cli {
namespace {

constexpr size_t kExitCodeColumns = 78;

constexpr const char* kProgramExamples = R"(Examples:
  llmdit generate "a red circle on a white background" -o circle.png
  llmdit generate "a cat" --model-path ~/Z-Image-Turbo --seeds 1-4
  llmdit plan --model-path ~/Z-Image-Turbo --width 1024 --height 1024
  llmdit doctor)";

/// Examples, where to go on, and what the exit codes mean.
std::string footer() {
  std::vector<std::string> codes;
  for (const ExitCode& exit : exit_codes()) codes.push_back(fmt::format("{} {}", exit.code, exit.meaning));
  std::string text = fmt::format(
      "{}\n\n'llmdit COMMAND --help' tells a command's options. Without a model that is named, a small one that\n"
      "comes with the program draws.\n\nExit codes:\n",
      kProgramExamples);
  for (const std::string& line : wrap(fmt::format("{}", fmt::join(codes, ", ")), kExitCodeColumns))
    text += fmt::format("  {}\n", line);
  text.pop_back();
  return text;
}

/// The parser takes the next argument for the value of "--name=", where an empty value is meant.
std::vector<std::string> split_empty_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  bool positional_only = false;
  for (const std::string& argument : arguments) {
    positional_only = positional_only || argument == "--";
    if (!positional_only && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      out.push_back(argument.substr(0, argument.size() - 1));
      out.emplace_back();
    } else {
      out.push_back(argument);
    }
  }
  return out;
}

}  // namespace

Program::Program(std::span<const Command> commands) : json_(app_) {
  app_.add_flag("--version", version_wanted_, "print the version, with --json also how it was built");
  app_.set_help_flag("-h,--help", "print this help");
  app_.set_help_all_flag("--help-all", "print this help with the fine points");
  app_.require_subcommand(0, 1);
  app_.footer(footer());
  for (const Command& command : commands) {
    CLI::App* parser = app_.add_subcommand(command.name, command.summary)->group(command.group);
    actions_[parser] = command.add(*parser);
  }
}

int Program::run(std::vector<std::string> arguments) {
  try {
    parse(std::move(arguments));
    return dispatch();
  } catch (...) {
    return report(std::current_exception());
  }
}

void Program::parse(std::vector<std::string> arguments) {
  // As many have it: `llmdit help` and `llmdit help COMMAND`.
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  arguments = split_empty_values(arguments);
  std::ranges::reverse(arguments);  // as the parser wants them
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    help_wanted_ = HelpLevel::common;
  } catch (const CLI::CallForAllHelp&) {
    help_wanted_ = HelpLevel::all;
  } catch (const CLI::ParseError& error) {
    // What stands before the command is the program's.
    throw UsageError(describe_parse_error(selected().remaining().empty() ? app_ : selected(), error));
  }
}

int Program::dispatch() const {
  if (help_wanted_ || version_wanted_) {
    tell_about_itself();
    return 0;
  }
  if (json_.given()) throw UsageError("--json comes after a command, or with --version");
  if (&selected() == &app_) {  // whoever types the name alone wants to know what it is
    std::fputs(help_text(app_, selected_name(), HelpLevel::common).c_str(), stderr);
    Console().error("a command is missing");
    return kExitUsage;
  }
  check_stdout();
  return actions_.at(&selected())();
}

void Program::tell_about_itself() const {
  if (help_wanted_) {
    write_stdout(help_text(selected(), selected_name(), *help_wanted_));
  } else if (json_.given()) {
    print_json(version_document());
  } else {
    write_stdout(version_line());
  }
}

const CLI::App& Program::selected() const {
  const std::vector<CLI::App*> named = app_.get_subcommands();
  return named.empty() ? app_ : *named.front();
}

std::string Program::selected_name() const {
  return &selected() == &app_ ? "llmdit" : "llmdit " + selected().get_name();
}

int Program::report(const std::exception_ptr& exception) const {
  const Failure failure = describe_failure(exception);
  const Console console;
  console.error(failure.message);
  if (failure.is_usage) console.error(fmt::format("see '{} --help'", selected_name()));
  return failure.exit_code;
}

}  // namespace llmdit::cli
