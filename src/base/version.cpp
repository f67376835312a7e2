#include "llmdit/version.hpp"

#include <torch/version.h>

namespace llmdit {

std::string_view version() noexcept { return LLMDIT_VERSION; }
std::string_view torch_version() noexcept { return TORCH_VERSION; }

}  // namespace llmdit
