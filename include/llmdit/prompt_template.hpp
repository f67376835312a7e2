#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// What stands around a prompt in the chat text, kept under a name. A Markdown file with YAML front matter between two
/// lines `---` at its start; the text below is the system prompt.
struct Template {
  std::string name{};                             ///< not given: the file's name without its suffix
  std::string description{};                      ///< one line
  std::string category{};                         ///< e.g. "photography"
  std::string system_prompt{};                    ///< the file's body, trimmed
  std::string thinking_content{};                 ///< trimmed
  std::string assistant_content{};                ///< trimmed
  bool add_think_block = false;                   ///< an empty think block; off, as Z-Image's own prompts have none
  std::map<std::string, std::string> metadata{};  ///< every other key; the texts of a list are joined by ", "
  std::filesystem::path path{};                   ///< its file; empty when made otherwise

  bool operator==(const Template&) const = default;
};

/// Reads one file; without front matter all of it is the system prompt. Throws not_found when it cannot be read,
/// unsupported naming file and line for front matter that is not closed, is no YAML or holds a value of a wrong kind.
LLMDIT_EXPORT Template load_template(const std::filesystem::path& path);

/// Templates by name, in the order of their names. Const calls are thread-safe.
class LLMDIT_EXPORT TemplateRegistry {
 public:
  using Map = std::map<std::string, Template, std::less<>>;

  /// The built-in templates, over them those of the user's own folder where there is one, over them those of
  /// `own_folder` unless it is empty.
  static TemplateRegistry standard(const std::filesystem::path& own_folder = {});

  /// Throws invalid_argument for a name that is empty, holds a slash, ends in .md, or is there already, naming both
  /// files.
  void add(Template entry);
  void load_file(const std::filesystem::path& path) { add(load_template(path)); }

  /// Adds every `*.md` below a folder and returns their number. Throws not_found for a folder that is missing; a file
  /// that cannot be taken is an error, and then nothing is added.
  size_t load_directory(const std::filesystem::path& folder);

  /// Adds all of `other`, in the place of those of the same name.
  void overlay(const TemplateRegistry& other);

  const Template* find(std::string_view name) const;  ///< null when there is none
  const Template& at(std::string_view name) const;    ///< throws not_found naming the nearest

  std::vector<std::string> names() const;
  std::vector<std::string> categories() const;  ///< sorted, without the empty one
  std::vector<std::string> in_category(std::string_view category) const;

  /// The names of those that hold every word of `words` in their name, category, description or text; letters A-Z in
  /// either case.
  std::vector<std::string> search(std::string_view words) const;

  size_t size() const { return templates_.size(); }
  Map::const_iterator begin() const { return templates_.begin(); }
  Map::const_iterator end() const { return templates_.end(); }

 private:
  Map templates_;
};

/// The folder of the templates that come with the library: LLMDIT_TEMPLATES when set, else
/// share/llmdit/templates/z_image beside the library. Throws not_found naming the places looked at.
LLMDIT_EXPORT std::filesystem::path builtin_templates_path();

/// Where a user keeps own templates: llmdit/templates in XDG_CONFIG_HOME, else in ~/.config. It need not exist; empty
/// where there is no home.
LLMDIT_EXPORT std::filesystem::path user_templates_path();

}  // namespace llmdit
