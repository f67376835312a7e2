#pragma once

#include <string>
#include <vector>

namespace llmdit::cli {

struct EnvironmentVariable {
  std::string name;
  std::string help;
};

/// Every variable that has a say in what the program does: those of settings, in their order, and before them others.
std::vector<EnvironmentVariable> environment_variables();

}  // namespace llmdit::cli
