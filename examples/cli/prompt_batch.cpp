#include "prompt_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "exit_codes.hpp"
#include "help.hpp"
#include "option_flags.hpp"
#include "wildcards.hpp"

namespace llmdit::cli {

PromptBatch::PromptBatch(CLI::App& app) : one_(app) {
  constexpr const char* group = "Prompt";
  add_text_flag(app, "--prompts", file_, "FILE", "file with a prompt on each line, # begins a comment; - is stdin")
      ->group(group);
  app.add_flag("--expand", expands_, "a run for each of {a|b}, and each line of name.txt for __name__")->group(group);
  lists_flag_ =
      add_text_flag(app, "--wildcards", lists_, "FOLDER", fmt::format("of the lists of --expand (default {})", lists_));
  lists_flag_->group(kFinePoints);
}

void PromptBatch::check_unused() const {
  if (expands_) throw UsageError("--expand has no effect without a prompt");
  if (lists_flag_->count() > 0) throw UsageError("--wildcards has no effect without --expand");
}

std::vector<std::string> PromptBatch::read() const {
  if (one_.is_given() && !file_.empty()) throw UsageError("give one prompt or --prompts, not both");
  if (!expands_) check_unused();
  std::vector<std::string> prompts;
  if (file_.empty()) {
    prompts.push_back(one_.read());
  } else {
    prompts = prompt_lines(read_text(file_, "prompts"));
    if (prompts.empty())
      throw UsageError(fmt::format("--prompts: expected a prompt on a line of {}, found none", file_));
  }
  if (!expands_) return prompts;
  std::vector<std::string> expanded;
  for (const std::string& prompt : prompts)
    std::ranges::move(expand_prompt(prompt, lists_), std::back_inserter(expanded));
  return expanded;
}

}  // namespace llmdit::cli
