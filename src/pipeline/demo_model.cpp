#include "llmdit/demo_model.hpp"

#include <cstdlib>

#include "base/check.hpp"
#include "base/library_folder.hpp"

namespace llmdit {
namespace {

bool is_model(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path / "model_index.json", ignored);
}

}  // namespace

std::filesystem::path demo_model_path() {
  if (const char* named = std::getenv("LLMDIT_DEMO_MODEL"); named && *named) {
    if (is_model(named)) return named;
    fail(ErrorCode::not_found, "demo_model", "expected a model_index.json in LLMDIT_DEMO_MODEL = {}, found none",
         named);
  }
  const auto folders = library_data_folders();
  for (const auto& folder : folders) {
    if (is_model(folder / "demo_model")) return folder / "demo_model";
  }
  fail(ErrorCode::not_found, "demo_model",
       "expected the demo model in {}, found none; name a model instead, or set LLMDIT_DEMO_MODEL",
       (folders.front() / "demo_model").string());
}

}  // namespace llmdit
