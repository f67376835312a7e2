#include <memory>
#include <string>
#include <utility>

#include "command.hpp"
#include "command_tree.hpp"
#include "completion_scripts.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "manual.hpp"
#include "suggest.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kCompletionExamples = R"(Examples:
  source <(llmdit completion bash)
  llmdit completion zsh > ~/.zfunc/_llmdit
  llmdit completion fish > ~/.config/fish/completions/llmdit.fish
  llmdit completion man | man -l -)";

using Write = std::string (*)(std::span<const CommandInfo>);

constexpr std::pair<const char*, Write> kKinds[] = {
    {"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}, {"man", manual_page}};

std::string script(const CLI::App& app, const std::string& shell) {
  std::vector<std::string> known;
  for (const auto& [name, write] : kKinds) {
    if (shell == name) return write(describe_commands(app));
    known.emplace_back(name);
  }
  if (shell.empty()) throw UsageError("expected a shell: bash, zsh or fish; or man");
  throw UsageError("expected bash, zsh, fish or man, got '" + shell + "'" + suggestion(shell, known));
}

}  // namespace

Action add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish; man for the manual's page")->group("What to do");
  app.footer(kCompletionExamples);
  return [&app, shell] {
    write_stdout(script(app, *shell));
    return 0;
  };
}

}  // namespace llmdit::cli
