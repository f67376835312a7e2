#include "model_choice.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "exit_codes.hpp"
#include "llmdit/demo_model.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {

ModelChoice::ModelChoice(CLI::App& app)
    : flag_(add_text_flag(app, "--model-path", path_, "PATH",
                          "folder, file or cached hub id; default LLMDIT_MODEL, else the demo model")) {
  flag_->group("Model");
}

std::filesystem::path ModelChoice::resolve(const Console& console) const {
  if (flag_->count() > 0) {
    if (path_.empty()) throw UsageError("--model-path: expected a path, got an empty text");
    return path_;
  }
  const char* variable = std::getenv("LLMDIT_MODEL");
  if (variable && *variable) return variable;
  const std::filesystem::path demo = demo_model_path();
  console.note(
      fmt::format("using the demo model, as neither --model-path nor LLMDIT_MODEL names another: {}", demo.string()));
  return demo;
}

}  // namespace llmdit::cli
