#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "help.hpp"
#include "json_output.hpp"
#include "llmdit/prompt_template.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "suggest.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kTemplatesExamples = R"(Examples:
  llmdit templates
  llmdit templates film grain --category photography
  llmdit templates show charcoal
  llmdit generate "a lighthouse" --template charcoal)";

using Templates = std::vector<const Template*>;

std::string category_of(const Template& entry) { return entry.category.empty() ? "no category" : entry.category; }

/// Name and description under the headings of the categories.
std::string listing(const Templates& templates) {
  size_t widest = 0;
  for (const Template* entry : templates) widest = std::max(widest, entry->name.size());
  const size_t left = std::min<size_t>(widest, 30) + 4;
  const size_t columns = static_cast<size_t>(std::clamp(stdout_columns(), 60, 140));
  std::string out, category;
  for (const Template* entry : templates) {
    if (out.empty() || category_of(*entry) != category) {
      category = category_of(*entry);
      out += fmt::format("{}{}\n", out.empty() ? "" : "\n", escaped(category));
    }
    out += fmt::format("  {:<{}}", entry->name, left - 2);
    bool is_first = true;
    for (const std::string& line : wrap(escaped(entry->description), columns - left)) {
      if (!is_first) out += std::string(left, ' ');
      out += line + "\n";
      is_first = false;
    }
  }
  return out;
}

Json document(const Template& entry) {
  Json metadata = Json::object();
  for (const auto& [key, value] : entry.metadata) metadata[key] = value;
  return {{"name", entry.name},
          {"description", entry.description},
          {"category", entry.category},
          {"system_prompt", entry.system_prompt},
          {"thinking_content", entry.thinking_content},
          {"assistant_content", entry.assistant_content},
          {"add_think_block", entry.add_think_block},
          {"metadata", metadata},
          {"path", entry.path.empty() ? Json() : Json(entry.path.string())}};
}

Json documents(const Templates& templates) {
  Json list = Json::array(), counts = Json::object();
  for (const Template* entry : templates) {
    list.push_back(document(*entry));
    counts[entry->category] = counts.value(entry->category, 0) + 1;
  }
  return {{"templates", list}, {"categories", counts}};
}

/// All of a template, for reading.
std::string full_text(const Template& entry) {
  std::string out = fmt::format("{} ({})\n{}\n{}\n", escaped(entry.name), escaped(category_of(entry)),
                                escaped(entry.description), escaped(entry.path.string()));
  if (entry.add_think_block) out += "with a think block\n";
  for (const auto& [key, value] : entry.metadata) out += fmt::format("{}: {}\n", escaped(key), escaped(value));
  out += fmt::format("\n{}\n", entry.system_prompt);
  if (!entry.thinking_content.empty()) out += fmt::format("\nThinking:\n{}\n", entry.thinking_content);
  if (!entry.assistant_content.empty()) out += fmt::format("\nThe answer begins:\n{}\n", entry.assistant_content);
  return out;
}

class TemplatesCommand {
 public:
  explicit TemplatesCommand(CLI::App& app) : json_(app), config_(app, "Choice") {
    app.add_option("WORD", words_, "list those that hold every word; after `show`, the names to print in full")
        ->group("Choice");
    add_text_flag(app, "--category", category_, "NAME", "of this category only")->group("Choice");
    add_text_flag(app, "--templates-dir", folder_, "DIR", "folder of own templates, over the built-in ones")
        ->group("Choice");
    app.footer(kTemplatesExamples);
  }

  void run() const {
    const TemplateRegistry registry = TemplateRegistry::standard(templates_folder());
    if (!words_.empty() && words_.front() == "show") {
      show(registry);
    } else {
      list(registry);
    }
  }

 private:
  std::string templates_folder() const {
    const RuntimeConfig settings = runtime_config(config_.config());
    return folder_.empty() ? settings.generate.chat.templates_dir : folder_;
  }

  void show(const TemplateRegistry& registry) const {
    if (words_.size() < 2) throw UsageError("show needs the name of a template");
    if (!category_.empty()) throw UsageError("--category goes with a list, not with show");
    Templates chosen;
    for (size_t i = 1; i < words_.size(); ++i) chosen.push_back(&registry.at(words_[i]));
    if (json_.given()) return print_json(documents(chosen));
    std::string out;
    for (const Template* entry : chosen) out += (out.empty() ? "" : "\n") + full_text(*entry);
    write_stdout(out);
  }

  void list(const TemplateRegistry& registry) const {
    const std::vector<std::string> categories = registry.categories();
    if (!category_.empty() && std::ranges::find(categories, category_) == categories.end()) {
      const std::string guess = suggestion(category_, categories);
      throw UsageError(fmt::format("--category: there is no category '{}'{}", category_,
                                   guess.empty() ? fmt::format("; known are {}", fmt::join(categories, ", ")) : guess));
    }
    Templates chosen;
    for (const std::string& name : registry.search(fmt::format("{}", fmt::join(words_, " ")))) {
      const Template& entry = registry.at(name);
      if (category_.empty() || entry.category == category_) chosen.push_back(&entry);
    }
    std::ranges::stable_sort(chosen, {}, [](const Template* entry) { return entry->category; });
    if (json_.given()) return print_json(documents(chosen));
    write_stdout(listing(chosen));
    if (chosen.empty()) Console().note("no template holds all of these words");
  }

  JsonFlag json_;
  ConfigFlags config_;
  std::vector<std::string> words_;
  std::string category_, folder_;
};

}  // namespace

Action add_templates(CLI::App& app) {
  return [command = std::make_shared<TemplatesCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
