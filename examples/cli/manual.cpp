#include "manual.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "environment.hpp"
#include "exit_codes.hpp"
#include "replaced.hpp"

namespace llmdit::cli {
namespace {

constexpr std::pair<const char*, const char*> kFiles[] = {
    {"~/.config/llmdit/config.toml", "settings; 'llmdit config --example' writes one with all of them"},
    {"~/.config/llmdit/templates/", "prompt templates of your own, Markdown files"},
    {"~/.cache/huggingface/hub/", "where models are found that are named by their hub id"},
};

/// Text of the manual: nothing in it is a request of roff.
std::string roff(const std::string& text) {
  std::string out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return replaced(out, "\n.", "\n\\&.");
}

std::string manual_flag(const FlagInfo& flag) {
  const std::string value = flag.value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff(flag.value));
  return fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(fmt::format("{}", fmt::join(flag.names, ", "))), value,
                     roff(flag.help));
}

}  // namespace

std::string manual_page(std::span<const CommandInfo> commands) {
  std::string out = ".TH LLMDIT 1\n.SH NAME\nllmdit \\- pictures from prompts with Z\\-Image\n.SH SYNOPSIS\n";
  out += ".B llmdit\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n";
  out += roff(
      "Results go to stdout, everything else to stderr. Settings come from flags, LLMDIT_* variables and a profile of "
      "a TOML file, in this order; 'llmdit config --print' shows what is in force.");
  out += '\n';
  out += ".PP\n" + roff("Without a model that is named, a small one that comes with the program draws.") + "\n";
  for (const CommandInfo& command : commands) {
    std::string title = command.name;
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    out += fmt::format(".SH {}\n.B llmdit {}\n[\\fIOPTIONS\\fR] {}\n.PP\n{}.\n", title, command.name,
                       roff(fmt::format("{}", fmt::join(command.positional, " "))), roff(command.summary));
    for (const FlagInfo& flag : command.flags) out += manual_flag(flag);
    if (!command.examples.empty()) out += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.examples));
  }
  out += ".SH ENVIRONMENT\n";
  for (const EnvironmentVariable& variable : environment_variables())
    out += fmt::format(".TP\n.B {}\n{}\n", roff(variable.name), roff(variable.help));
  out += ".SH FILES\n";
  for (const auto& [name, what] : kFiles) out += fmt::format(".TP\n.I {}\n{}\n", roff(name), roff(what));
  out += ".SH EXIT STATUS\n";
  for (const ExitCode& exit : exit_codes()) out += fmt::format(".TP\n.B {}\n{}\n", exit.code, roff(exit.meaning));
  return out;
}

}  // namespace llmdit::cli
