#include "name_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "exit_codes.hpp"
#include "suggest.hpp"

namespace llmdit::cli {
namespace {

constexpr size_t kLongestSlug = 60;

/// A prompt as a part of a file name: small letters, digits and dashes; other scripts stay as they are.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte)) {
      out += static_cast<char>(std::tolower(byte));
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  // Not in the middle of a character.
  size_t end = std::min(out.size(), kLongestSlug);
  while (end < out.size() && end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
  out.resize(end);
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "picture" : out;
}

std::string numbered(const std::filesystem::path& path, int64_t index) {
  std::filesystem::path name = path.stem();
  name += fmt::format("-{:04}", index);
  name += path.extension();
  return (path.parent_path() / name).string();
}

}  // namespace

NamePattern::NamePattern(std::string_view text) {
  const std::string_view all = text;
  parts_.push_back({false, ""});
  while (!text.empty()) {
    if (text.front() != '{') {
      parts_.back().text += text.front();
      text.remove_prefix(1);
      continue;
    }
    const size_t end = text.find('}');
    if (end == text.npos) throw UsageError(fmt::format("--output: expected a }} for the {{ in {}", all));
    const std::string field(text.substr(1, end - 1));
    if (field != "index" && field != "seed" && field != "prompt") {
      throw UsageError(fmt::format("--output: {{{}}} is none of {{index}}, {{seed}} and {{prompt}}{}", field,
                                   suggestion(field, {"index", "seed", "prompt"})));
    }
    parts_.push_back({true, field});
    parts_.push_back({false, ""});
    has_fields_ = true;
    text.remove_prefix(end + 1);
  }
}

std::filesystem::path NamePattern::name(const PictureName& picture, int64_t count) const {
  if (!has_fields_) return count == 1 ? parts_.front().text : numbered(parts_.front().text, picture.index);
  std::string out;
  for (const Part& part : parts_) {
    if (!part.is_field) {
      out += part.text;
    } else if (part.text == "index") {
      out += fmt::format("{:04}", picture.index);
    } else if (part.text == "prompt") {
      out += slug(picture.prompt);
    } else {
      out += picture.seed ? std::to_string(*picture.seed) : "{seed}";
    }
  }
  return out;
}

}  // namespace llmdit::cli
