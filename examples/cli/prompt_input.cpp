#include "prompt_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "exit_codes.hpp"
#include "llmdit/error.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {

constexpr size_t kLongestText = 16 << 20;  // bytes; no model takes a hundredth of it

PromptInput::PromptInput(CLI::App& app)
    : argument_flag_(app.add_option("PROMPT", argument_, "the text, in quotes; after -- it may start with a dash")),
      file_flag_(add_text_flag(app, "--prompt-file", file_, "FILE", "file with the prompt; - is stdin")) {
  argument_flag_->group("Prompt");
  file_flag_->group("Prompt");
}

std::string PromptInput::read() const {
  if (argument_flag_->count() > 0 && file_flag_->count() > 0) {
    throw UsageError("give the prompt as an argument or by --prompt-file, not both");
  }
  if (argument_flag_->count() > 0) return argument_;
  if (file_flag_->count() == 0) throw UsageError("a prompt is missing: give it as an argument or by --prompt-file");
  std::string text = read_text(file_, "prompt-file");
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  // A command that failed leaves an empty pipe; a prompt that is meant to be empty is given as an argument.
  if (text.find_first_not_of(" \t\r\n") == text.npos)
    throw UsageError(fmt::format("--prompt-file: expected a prompt, found nothing in {}", file_));
  return text;
}

std::vector<std::string> prompt_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_comment = line.starts_with('#');
    if (line.starts_with("\\#")) line.remove_prefix(1);
    if (!is_comment && line.find_first_not_of(" \t") != line.npos) lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string read_text(const std::string& path, std::string_view what) {
  const auto close = [](std::FILE* file) { return file == stdin ? 0 : std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"), close);
  std::string text;
  int error = file ? 0 : errno;
  std::array<char, 65536> buffer;
  for (size_t count = 1; error == 0 && count > 0;) {
    count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    text.append(buffer.data(), count);
    if (text.size() > kLongestText) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[{}] expected a text of at most {} MiB, {} is longer", what, kLongestText >> 20, path));
    }
    if (std::ferror(file.get())) error = errno;
  }
  if (error != 0) {
    throw Error(ErrorCode::not_found,
                fmt::format("[{}] cannot read {}: {}", what, path, std::generic_category().message(error)));
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(ErrorCode::unsupported,
                fmt::format("[{}] expected a text in UTF-8, {} is in UTF-16; save it as UTF-8", what, path));
  }
  constexpr std::string_view mark = "\xEF\xBB\xBF";  // as editors of Windows begin a file
  if (text.starts_with(mark)) text.erase(0, mark.size());
  return text;
}

}  // namespace llmdit::cli
