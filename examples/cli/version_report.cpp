#include "version_report.hpp"

#include <fmt/format.h>

#include "llmdit/version.hpp"

namespace llmdit::cli {

std::string version_line() { return fmt::format("llmdit {}, libtorch {}\n", version(), torch_version()); }

Json version_document() {
  return {{"llmdit", version()},
          {"libtorch", torch_version()},
          {"compiler", LLMDIT_CLI_COMPILER},
          {"build_type", LLMDIT_CLI_BUILD_TYPE},
          {"build_flags", LLMDIT_CLI_BUILD_FLAGS},
          {"cpp_standard", __cplusplus},
#if defined(_GLIBCXX_USE_CXX11_ABI)
          {"cxx11_abi", static_cast<bool>(_GLIBCXX_USE_CXX11_ABI)},
#endif
          {"system", LLMDIT_CLI_SYSTEM}};
}

}  // namespace llmdit::cli
