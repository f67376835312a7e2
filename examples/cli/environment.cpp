#include "environment.hpp"

#include "llmdit/config.hpp"

namespace llmdit::cli {

std::vector<EnvironmentVariable> environment_variables() {
  std::vector<EnvironmentVariable> variables = {
      {"LLMDIT_CONFIG", "file of settings; empty: none"},
      {"LLMDIT_PROFILE", "profile of it that is in force"},
      {"LLMDIT_API_KEY", "key for servers of rewriters and, where LLMDIT_ENCODER_API_KEY is not set, of encoders"},
      {"LLMDIT_ENCODER_API_KEY", "key for servers of text encoders"},
      {"LLMDIT_DEMO_MODEL", "folder of the demo model, where it is not beside the program"},
      {"LLMDIT_TEMPLATES", "folder of the built-in templates, where it is not beside the program"},
      {"LLMDIT_CPU", "native, avx512, avx2 or baseline: the processor that products are chosen for"},
      {"HF_HOME, HF_HUB_CACHE", "where the hub's cache of models is; nothing is downloaded"},
      {"XDG_CONFIG_HOME, XDG_CONFIG_DIRS", "folders in which llmdit/config.toml is looked for"},
      {"OMP_NUM_THREADS", "threads on a CPU"},
      {"COLUMNS", "width of help"},
      {"NO_COLOR", "no colours where it is set"},
  };
  for (const Setting& setting : settings())
    variables.push_back({setting.environment, std::string(setting.field->help)});
  return variables;
}

}  // namespace llmdit::cli
