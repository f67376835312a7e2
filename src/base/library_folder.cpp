#include "base/library_folder.hpp"

#include <dlfcn.h>

namespace llmdit {

std::filesystem::path library_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&library_folder), &info) == 0 || !info.dli_fname) return {};
  std::error_code ignored;
  return std::filesystem::weakly_canonical(info.dli_fname, ignored).parent_path();
}

std::array<std::filesystem::path, 2> library_data_folders() {
  const std::filesystem::path folder = library_folder();
  return {(folder / LLMDIT_DATA_FOLDER).lexically_normal(), (folder / "../share/llmdit").lexically_normal()};
}

}  // namespace llmdit
