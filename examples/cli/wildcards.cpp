#include "wildcards.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "exit_codes.hpp"
#include "llmdit/error.hpp"
#include "prompt_input.hpp"
#include "suggest.hpp"

namespace llmdit::cli {
namespace {

using Texts = std::vector<std::string>;

constexpr size_t kMostPrompts = 10000;

class Expander {
 public:
  explicit Expander(const std::filesystem::path& lists) : lists_(lists) {}

  Texts expand(std::string_view text) {
    Texts out = {""};
    while (!text.empty()) {
      if (text.front() == '{') {
        const size_t end = closing_brace(text);
        append(out, alternatives(text.substr(1, end - 1)));
        text.remove_prefix(end + 1);
      } else if (const size_t length = list_length(text); length > 0) {
        append(out, lines_of(text.substr(2, length - 4)));
        text.remove_prefix(length);
      } else {
        if (is_escape(text)) text.remove_prefix(1);
        for (std::string& prompt : out) prompt += text.front();
        text.remove_prefix(1);
      }
    }
    return out;
  }

 private:
  /// Whether the text begins with a backslash that takes the next character's meaning away.
  static bool is_escape(std::string_view text) {
    constexpr std::string_view special = "{}|_\\";
    return text.size() > 1 && text.front() == '\\' && special.find(text[1]) != special.npos;
  }

  static size_t closing_brace(std::string_view text) {
    int depth = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if (is_escape(text.substr(i))) {
        ++i;
        continue;
      }
      depth += (text[i] == '{') - (text[i] == '}');
      if (depth == 0) return i;
    }
    throw UsageError(fmt::format("--expand: expected a }} for the {{ of '{}'", text));
  }

  /// What stands between two braces.
  Texts alternatives(std::string_view text) {
    Texts out;
    int depth = 0;
    bool has_bar = false;
    size_t begin = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
      if (is_escape(text.substr(i))) {
        ++i;
        continue;
      }
      if (i < text.size()) depth += (text[i] == '{') - (text[i] == '}');
      if (i < text.size() && (text[i] != '|' || depth > 0)) continue;
      has_bar = has_bar || i < text.size();
      std::ranges::move(expand(text.substr(begin, i - begin)), std::back_inserter(out));
      begin = i + 1;
    }
    if (!has_bar) {
      for (std::string& only : out) only = fmt::format("{{{}}}", only);
    }
    return out;
  }

  /// Characters of "__name__" at the beginning of the text; 0 where there is none.
  static size_t list_length(std::string_view text) {
    if (!text.starts_with("__")) return 0;
    size_t i = 2;
    const auto is_name = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '/' || c == '_'; };
    while (i < text.size() && is_name(static_cast<unsigned char>(text[i])) && !text.substr(i).starts_with("__")) ++i;
    return i > 2 && text.substr(i).starts_with("__") ? i + 2 : 0;
  }

  Texts lines_of(std::string_view name) {
    if (std::ranges::find(open_, name) != open_.end())
      throw UsageError(fmt::format("--expand: the list {} names itself", name));
    const std::filesystem::path file = lists_ / fmt::format("{}.txt", name);
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) fail_without_list(name);
    open_.emplace_back(name);
    Texts out;
    for (const std::string& line : prompt_lines(read_text(file.string(), "wildcards"))) {
      std::ranges::move(expand(line), std::back_inserter(out));
      check_count(out.size());
    }
    open_.pop_back();
    if (out.empty()) throw UsageError(fmt::format("--expand: {} has no lines", file.string()));
    return out;
  }

  [[noreturn]] void fail_without_list(std::string_view name) const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(lists_, ignored)) {
      if (entry.path().extension() == ".txt")
        names.push_back(entry.path().lexically_relative(lists_).replace_extension().string());
    }
    throw Error(ErrorCode::not_found,
                fmt::format("[wildcards] expected {}.txt in the folder {} for __{}__, found none{}; --wildcards names "
                            "another folder, \\__ is no list",
                            name, lists_.string(), name, suggestion(name, names)));
  }

  static void append(Texts& prompts, const Texts& endings) {
    check_count(prompts.size() * endings.size());
    Texts out;
    for (const std::string& prompt : prompts) {
      for (const std::string& ending : endings) out.push_back(prompt + ending);
    }
    prompts = std::move(out);
  }

  static void check_count(size_t count) {
    if (count > kMostPrompts) throw UsageError(fmt::format("--expand: expected at most {} prompts", kMostPrompts));
  }

  std::filesystem::path lists_;
  Texts open_;  ///< lists that are being read
};

}  // namespace

std::vector<std::string> expand_prompt(std::string_view text, const std::filesystem::path& lists) {
  return Expander(lists).expand(text);
}

}  // namespace llmdit::cli
