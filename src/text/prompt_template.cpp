#include "llmdit/prompt_template.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/check.hpp"
#include "base/library_folder.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/path_kind.hpp"
#include "io/text_file.hpp"
#include "llmdit/options.hpp"
#include "text/front_matter.hpp"
#include "text/utf8.hpp"

namespace llmdit {
namespace {

constexpr size_t kLongestFile = 1 << 20;  // bytes; no model reads a tenth of it

/// Letters A-Z as a-z.
std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

/// Nothing that could be taken for a path, or that would break a line.
bool is_template_name(std::string_view name) {
  const bool is_plain = std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '/'; });
  return !name.empty() && is_plain && !name.ends_with(".md");
}

std::string place_of(const Template& entry) {
  return entry.path.empty() ? "a template without a file" : io::printable_path(entry.path);
}

/// Sets the field that a key of the front matter names; other keys are metadata.
void set_value(Template& entry, const text::FrontMatterValue& value) {
  const std::map<std::string_view, std::string Template::*> texts = {
      {"name", &Template::name},
      {"description", &Template::description},
      {"category", &Template::category},
      {"thinking_content", &Template::thinking_content},
      {"assistant_content", &Template::assistant_content},
  };
  const auto refuse = [&](std::string_view wanted) {
    fail(ErrorCode::unsupported, "template", "{}, line {}: {}: expected {}, got '{}'", io::printable_path(entry.path),
         value.line, value.key, wanted, io::printable(value.text));
  };
  if (const auto field = texts.find(value.key); field != texts.end()) {
    entry.*field->second = text::trim(value.text);
    if (value.key == "name" && !is_template_name(entry.name)) refuse("one line without a slash, not ending in .md");
  } else if (value.key == "add_think_block") {
    const std::optional<bool> flag = text::parse_yaml_bool(value.text);
    if (!flag) refuse("true or false");
    entry.add_think_block = *flag;
  } else {
    entry.metadata[value.key] = value.text;
  }
}

Template read_template(const std::filesystem::path& path) {
  Template entry{.name = path.stem().string(), .path = path};
  const auto file = text::parse_front_matter(io::read_text_file(path, kLongestFile), path);
  for (const text::FrontMatterValue& value : file.values) set_value(entry, value);
  entry.system_prompt = text::trim(file.body);
  return entry;
}

std::vector<std::filesystem::path> markdown_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".md" && io::is_file(entry.path())) files.push_back(entry.path());
  }
  std::ranges::sort(files);  // so that a duplicate is told the same way everywhere
  return files;
}

/// The words of a search, as they are looked for.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = text::trim(text); !text.empty(); text = text::trim(text)) {
    const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    words.push_back(lower_case(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return words;
}

}  // namespace

Template load_template(const std::filesystem::path& path) {
  return translate_errors("template", [&] { return read_template(path); });
}

TemplateRegistry TemplateRegistry::standard(const std::filesystem::path& own_folder) {
  TemplateRegistry registry;
  registry.load_directory(builtin_templates_path());
  std::vector<std::filesystem::path> own;
  if (const auto user = user_templates_path(); io::is_folder(user)) own.push_back(user);
  if (!own_folder.empty()) own.push_back(own_folder);
  for (const auto& folder : own) {
    TemplateRegistry layer;
    layer.load_directory(folder);
    registry.overlay(layer);
  }
  return registry;
}

void TemplateRegistry::add(Template entry) {
  check(is_template_name(entry.name), "template",
        "expected a name of one line without a slash, not ending in .md, got '{}' in {}", io::printable(entry.name),
        place_of(entry));
  const auto known = templates_.find(entry.name);
  check(known == templates_.end(), "template", "expected each name once, got '{}' in {} and in {}; rename one of them",
        io::printable(entry.name), known == templates_.end() ? "" : place_of(known->second), place_of(entry));
  std::string name = entry.name;
  templates_.emplace(std::move(name), std::move(entry));
}

size_t TemplateRegistry::load_directory(const std::filesystem::path& folder) {
  return translate_errors("template", [&] {
    if (!io::is_folder(folder)) {
      fail(ErrorCode::not_found, "template", "expected a folder of templates, found none at {}",
           io::printable_path(folder));
    }
    TemplateRegistry grown = *this;
    for (const auto& path : markdown_files(folder)) grown.load_file(path);
    const size_t added = grown.size() - size();
    *this = std::move(grown);
    return added;
  });
}

void TemplateRegistry::overlay(const TemplateRegistry& other) {
  for (const auto& [name, entry] : other) templates_.insert_or_assign(name, entry);
}

const Template* TemplateRegistry::find(std::string_view name) const {
  const auto found = templates_.find(name);
  return found == templates_.end() ? nullptr : &found->second;
}

const Template& TemplateRegistry::at(std::string_view name) const {
  if (const Template* entry = find(name)) return *entry;
  std::vector<std::string_view> known;
  for (const auto& entry : templates_) known.push_back(entry.first);
  const std::string_view guess = nearest_name(name, known);
  const std::string help = guess.empty() ? fmt::format("{} others are known", size())
                                         : fmt::format("did you mean '{}'?", io::printable(guess));
  fail(ErrorCode::not_found, "template", "there is no template '{}'; {}", io::printable(name), help);
}

std::vector<std::string> TemplateRegistry::names() const { return search(""); }

std::vector<std::string> TemplateRegistry::categories() const {
  std::set<std::string> found;
  for (const auto& [name, entry] : templates_) {
    if (!entry.category.empty()) found.insert(entry.category);
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> TemplateRegistry::in_category(std::string_view category) const {
  std::vector<std::string> found;
  for (const auto& [name, entry] : templates_) {
    if (entry.category == category) found.push_back(name);
  }
  return found;
}

std::vector<std::string> TemplateRegistry::search(std::string_view words) const {
  const std::vector<std::string> wanted = words_of(words);
  std::vector<std::string> found;
  for (const auto& [name, entry] : templates_) {
    const std::string text =
        lower_case(fmt::format("{}\n{}\n{}\n{}", entry.name, entry.category, entry.description, entry.system_prompt));
    const auto holds = [&](const std::string& word) { return text.find(word) != std::string::npos; };
    if (std::ranges::all_of(wanted, holds)) found.push_back(name);
  }
  return found;
}

std::filesystem::path builtin_templates_path() {
  if (const char* named = std::getenv("LLMDIT_TEMPLATES"); named && *named) {
    if (io::is_folder(named)) return named;
    fail(ErrorCode::not_found, "template", "expected a folder of templates in LLMDIT_TEMPLATES = {}, found none",
         io::printable(named));
  }
  const auto folders = library_data_folders();
  for (const auto& folder : folders) {
    if (const auto path = folder / "templates" / "z_image"; io::is_folder(path)) return path;
  }
  fail(ErrorCode::not_found, "template",
       "expected the built-in templates in {}, found none; set LLMDIT_TEMPLATES to their folder",
       io::printable_path(folders.front() / "templates" / "z_image"));
}

std::filesystem::path user_templates_path() {
  if (const char* config = std::getenv("XDG_CONFIG_HOME"); config && *config)
    return std::filesystem::path(config) / "llmdit" / "templates";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::filesystem::path(home) / ".config" / "llmdit" / "templates";
  return {};
}

}  // namespace llmdit
