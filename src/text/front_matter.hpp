#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::text {

/// One value of a front matter.
struct FrontMatterValue {
  std::string key;
  std::string text;  ///< the texts of a list joined by ", "
  int line = 0;      ///< in the file, from 1
};

/// A text file cut in two: values between two lines `---` at its start, and what is below.
struct FrontMatterFile {
  std::vector<FrontMatterValue> values;
  std::string body;
};

/// `path` is for messages. Line ends become \n, a byte order mark is dropped. A text that does not begin with a line
/// `---` is all body. Throws unsupported naming the line for front matter that is not closed, is no YAML mapping of
/// texts, or gives a key twice, and for a text that is not UTF-8.
FrontMatterFile parse_front_matter(std::string_view text, const std::filesystem::path& path);

/// true or false as YAML spells them; nothing for another text.
std::optional<bool> parse_yaml_bool(const std::string& text);

}  // namespace llmdit::text
