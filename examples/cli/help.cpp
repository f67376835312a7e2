#include "help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "console.hpp"

namespace llmdit::cli {
namespace {

constexpr size_t kIndent = 2;
constexpr size_t kNameColumns = 29;
constexpr int kNarrowest = 60;  // columns of the whole text
constexpr int kWidest = 120;

/// "-o, --output FILE", "--[no-]x"; further spellings are left out.
std::string left_column(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string text;
  for (const std::string& name : option.get_snames()) text += fmt::format("-{}, ", name);
  const std::string& name = option.get_lnames().front();
  text += fmt::format("--{}{}", option.check_lname("no-" + name) ? "[no-]" : "", name);
  if (option.get_type_size() != 0) text += " " + option.get_type_name();
  return text;
}

std::string entry(const std::string& left, const std::string& description) {
  const int columns = std::clamp(stdout_columns(), kNarrowest, kWidest);
  const std::vector<std::string> lines = wrap(description, static_cast<size_t>(columns) - kNameColumns);
  const bool own_line = left.size() + kIndent + 2 > kNameColumns;
  std::string out = fmt::format("{:{}}{}", "", kIndent, left);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == 0 && !own_line) {
      out += fmt::format("{:{}}{}", "", kNameColumns - kIndent - left.size(), lines[i]);
    } else {
      out += fmt::format("\n{:{}}{}", "", kNameColumns, lines[i]);
    }
  }
  return out + "\n";
}

std::string usage_line(const CLI::App& app, const std::string& name) {
  if (!app.get_subcommands({}).empty()) return fmt::format("Usage: {} COMMAND [OPTIONS]\n", name);
  std::string line = fmt::format("Usage: {} [OPTIONS]", name);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    line += fmt::format(" {}{}", option->get_name(true), option->get_items_expected_max() > 1 ? "..." : "");
  }
  return line + "\n";
}

std::string option_groups(const CLI::App& app, const std::string& name, HelpLevel level) {
  std::string out, fine_points;
  for (const std::string& group : app.get_groups()) {
    // Whoever reads this has found --help.
    const auto members = app.get_options([&](const CLI::Option* option) {
      return option->get_group() == group && option != app.get_help_ptr() && option != app.get_help_all_ptr();
    });
    if (members.empty() || group.empty()) continue;
    if (group == kFinePoints && level == HelpLevel::common) {
      fine_points = fmt::format("\n{} more for fine points: {} --help-all\n", members.size(), name);
      continue;
    }
    std::string& text = group == kFinePoints ? fine_points : out;
    text += fmt::format("\n{}:\n", group);
    for (const CLI::Option* option : members) text += entry(left_column(*option), option->get_description());
  }
  return out + fine_points;
}

std::string command_list(const CLI::App& app) {
  std::string out, group;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group() != group) out += fmt::format("\n{}:\n", group = command->get_group());
    out += entry(command->get_name(), command->get_description());
  }
  return out;
}

}  // namespace

std::vector<std::string> wrap(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string help_text(const CLI::App& app, const std::string& name, HelpLevel level) {
  const std::string footer = app.get_footer().empty() ? "" : fmt::format("\n{}\n", app.get_footer());
  return fmt::format("{}{}.\n{}{}{}", usage_line(app, name), app.get_description(), command_list(app),
                     option_groups(app, name, level), footer);
}

}  // namespace llmdit::cli
