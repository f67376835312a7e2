#include "completion_scripts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "replaced.hpp"

namespace llmdit::cli {
namespace {

/// In single quotes, for every shell.
std::string shell_quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::vector<std::string> names_of(std::span<const CommandInfo> commands) {
  std::vector<std::string> names;
  for (const CommandInfo& command : commands) names.push_back(command.name);
  return names;
}

std::vector<std::string> flag_names(const CommandInfo& command) {
  std::vector<std::string> names;
  for (const FlagInfo& flag : command.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return names;
}

// What follows a flag with a value: a line of a case statement.
std::string bash_value(const CommandInfo& command, const FlagInfo& flag) {
  std::vector<std::string> patterns;
  for (const std::string& name : flag.names) patterns.push_back(fmt::format("'{} {}'", command.name, name));
  std::string answer;  // none for a number or a text of the user's own
  if (!flag.words().empty())
    answer = fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\")); ",
                         shell_quoted(fmt::format("{}", fmt::join(flag.words(), " "))));
  if (flag.takes_path()) answer += flag.takes_folder() ? "_llmdit_files -d; " : "_llmdit_files -f; ";
  return fmt::format("    {}) {}return ;;\n", fmt::join(patterns, "|"), answer);
}

std::string bash_words(const CommandInfo& command) {
  const std::string files = command.takes_paths() ? " _llmdit_files -f;" : "";
  return fmt::format(
      "    {}) if [[ $word == -* ]]; then COMPREPLY=($(compgen -W {} -- \"$word\")); else{} return; fi ;;\n",
      command.name, shell_quoted(fmt::format("{}", fmt::join(flag_names(command), " "))), files);
}

// In the brackets of _arguments a bracket or colon would end the text.
std::string zsh_text(const std::string& text) {
  return replaced(replaced(replaced(text, "[", "\\["), "]", "\\]"), ":", "\\:");
}

std::string zsh_flag(const std::string& name, const FlagInfo& flag) {
  std::string spec = fmt::format("{}[{}]", name, zsh_text(flag.help));
  if (!flag.value.empty()) spec += fmt::format(":{}:", zsh_text(flag.value));
  if (flag.is_template()) {
    spec += "_llmdit_templates";
  } else if (!flag.words().empty()) {
    spec += fmt::format("({})", zsh_text(fmt::format("{}", fmt::join(flag.words(), " "))));
  } else if (flag.takes_path()) {
    spec += flag.takes_folder() ? "_files -/" : "_files";
  }
  return "'*'" + shell_quoted(spec);  // may be given again: the last one counts
}

std::string fish_flag(const CommandInfo& command, const FlagInfo& flag) {
  std::string line = fmt::format("complete -c llmdit -n '__fish_seen_subcommand_from {}'", command.name);
  for (const std::string& name : flag.names) {
    line += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
  }
  line += fmt::format(" -d {}", shell_quoted(replaced(flag.help, "\\", "\\\\")));
  if (!flag.value.empty()) line += flag.takes_path() && !flag.takes_folder() ? " -r -F" : " -x";
  if (flag.takes_folder()) line += " -a '(__fish_complete_directories (commandline -ct))'";
  if (!flag.words().empty())
    line += fmt::format(" -a {}", shell_quoted(fmt::format("{}", fmt::join(flag.words(), " "))));
  return line + "\n";
}

}  // namespace

std::string bash_completion(std::span<const CommandInfo> commands) {
  std::string values, words;
  for (const CommandInfo& command : commands) {
    for (const FlagInfo& flag : command.flags) {
      if (!flag.value.empty()) values += bash_value(command, flag);
    }
    words += bash_words(command);
  }
  return fmt::format(R"(# Completion of llmdit for bash: source it, or keep it as .../bash-completion/completions/llmdit
_llmdit_files() {{
  compopt -o filenames 2>/dev/null
  mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen "$1" -- "$word")
}}

_llmdit() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command=${{COMP_WORDS[1]}}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  case "$command $before" in
{}  esac
  case "$command" in
{}  esac
}}
complete -F _llmdit llmdit
)",
                     fmt::join(names_of(commands), " "), values, words);
}

std::string zsh_completion(std::span<const CommandInfo> commands) {
  std::string list, cases, templates;
  for (const CommandInfo& command : commands) {
    list += fmt::format("    {}\n", shell_quoted(command.name + ":" + replaced(command.summary, ":", "\\:")));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const FlagInfo& flag : command.flags) {
      if (flag.is_template()) templates = fmt::format("{}", fmt::join(flag.words(), " "));
      for (const std::string& name : flag.names) cases += " \\\n        " + zsh_flag(name, flag);
    }
    if (command.takes_paths()) cases += " \\\n        '*:file:_files'";
    cases += "\n      ;;\n";
  }
  return fmt::format(R"(#compdef llmdit
# Completion of llmdit for zsh: keep it as _llmdit in a folder of $fpath
_llmdit_templates() {{
  compadd -- {}
  _files -g '*.md'
}}

_llmdit() {{
  local -a commands
  commands=(
{}  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
{}  esac
}}
if [[ $funcstack[1] == _llmdit ]]; then _llmdit "$@"; else compdef _llmdit llmdit; fi
)",
                     templates, list, cases);
}

std::string fish_completion(std::span<const CommandInfo> commands) {
  std::string out = "# Completion of llmdit for fish: keep it as ~/.config/fish/completions/llmdit.fish\n";
  out += "complete -c llmdit -f\n";
  for (const CommandInfo& command : commands) {
    out += fmt::format("complete -c llmdit -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       shell_quoted(command.summary));
    for (const FlagInfo& flag : command.flags) out += fish_flag(command, flag);
    if (command.takes_paths())
      out += fmt::format("complete -c llmdit -n '__fish_seen_subcommand_from {}' -F\n", command.name);
  }
  return out;
}

}  // namespace llmdit::cli
