#include "text/front_matter.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::text {
namespace {

constexpr std::string_view kFence = "---";

/// The text of a file in one spelling: no byte order mark, lines that end with \n.
std::string normalized(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

/// Takes the first line off `text`, its end included.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Where a document begins; what it holds is for others.
struct DocumentMark final : YAML::EventHandler {
  void OnDocumentStart(const YAML::Mark& start) override { mark = start; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  YAML::Mark mark;
};

class Reader {
 public:
  Reader(const std::filesystem::path& path, size_t file_bytes) : path_(path), file_bytes_(file_bytes) {}

  std::vector<FrontMatterValue> read(const std::string& yaml) const {
    try {
      // LoadAll never ends where the parser stops at a character that no document can begin with, such as a lone `]`.
      std::istringstream stream(yaml);
      YAML::Parser parser(stream);
      DocumentMark document;
      if (!parser.HandleNextDocument(document)) return {};
      if (parser.HandleNextDocument(document)) refuse(document.mark, "expected one YAML document, found a second one");
      return values(YAML::Load(yaml));
    } catch (const YAML::Exception& error) {
      refuse(error.mark, fmt::format("no YAML: {}", io::printable(error.msg)));
    }
  }

  [[noreturn]] void refuse(int line, std::string_view problem) const {
    fail(ErrorCode::unsupported, "template", "{}, line {}: {}", io::printable_path(path_), line, problem);
  }

 private:
  /// The line in the file: marks count from 0, and the fence stands above.
  static int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 2; }

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view problem) const { refuse(line_of(mark), problem); }

  std::vector<FrontMatterValue> values(const YAML::Node& root) const {
    std::vector<FrontMatterValue> list;
    std::set<std::string> keys;
    if (root.IsNull()) return list;
    if (!root.IsMap()) refuse(root.Mark(), "expected lines of the form `key: value`");
    for (const auto& entry : root) {
      const YAML::Node &key = entry.first, &value = entry.second;
      if (!key.IsScalar()) refuse(key.Mark(), "expected a text as the key");
      if (!keys.insert(key.Scalar()).second)
        refuse(key.Mark(), fmt::format("the key `{}` is given twice", io::printable(key.Scalar())));
      list.push_back({key.Scalar(), text_of(key.Scalar(), value), line_of(key.Mark())});
    }
    return list;
  }

  std::string text_of(const std::string& key, const YAML::Node& value) const {
    if (value.IsNull()) return "";
    if (value.IsScalar()) return value.Scalar();
    if (!value.IsSequence()) refuse(value.Mark(), fmt::format("`{}`: expected a text or a list", io::printable(key)));
    std::string text;
    for (const YAML::Node& item : value) {
      if (!item.IsScalar()) refuse(item.Mark(), fmt::format("`{}`: expected a list of texts", io::printable(key)));
      if (!text.empty()) text += ", ";
      text += item.Scalar();
      // Only aliases make it longer than the file they stand in.
      if (text.size() > file_bytes_) refuse(item.Mark(), fmt::format("`{}`: too long a list", io::printable(key)));
    }
    return text;
  }

  const std::filesystem::path& path_;
  size_t file_bytes_;
};

}  // namespace

FrontMatterFile parse_front_matter(std::string_view raw, const std::filesystem::path& path) {
  const Reader reader(path, raw.size());
  const std::string text = normalized(raw);
  std::string_view rest = text;
  if (!io::is_utf8(rest)) {
    int line = 1;
    while (io::is_utf8(take_line(rest))) ++line;
    reader.refuse(line, "expected UTF-8");
  }
  if (take_line(rest) != kFence) return {.values = {}, .body = text};
  std::string yaml;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line == kFence) return {.values = reader.read(yaml), .body = std::string(rest)};
    yaml.append(line) += '\n';
  }
  reader.refuse(1, "the front matter is not closed: expected a second line `---`");
}

std::optional<bool> parse_yaml_bool(const std::string& text) {
  bool value = false;
  if (!YAML::convert<bool>::decode(YAML::Node(text), value)) return std::nullopt;
  return value;
}

}  // namespace llmdit::text
