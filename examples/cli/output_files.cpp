#include "output_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "exit_codes.hpp"
#include "llmdit/error.hpp"
#include "llmdit/image.hpp"

namespace llmdit::cli {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void cannot_write(const fs::path& path, const std::string& reason) {
  throw Error(ErrorCode::not_found, fmt::format("[output] cannot write {}: {}", path.string(), reason));
}

void check_suffix(const fs::path& path, std::string_view flag) {
  try {
    image_format_of(path);
  } catch (const Error&) {
    throw UsageError(fmt::format("{}: pictures are written as .png, .jpg, .jpeg or .webp, not as {}: {}", flag,
                                 path.extension().string(), path.string()));
  }
}

/// The folder that exists and that missing ones would be made in.
fs::path existing_ancestor(const fs::path& path) {
  std::error_code ignored;
  fs::path folder = path.parent_path();
  while (!folder.empty() && !fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder.empty() ? "." : folder;
}

}  // namespace

std::vector<fs::path> numbered_paths(const fs::path& path, int64_t count) {
  if (count == 1) return {path};
  std::vector<fs::path> paths;
  for (int64_t i = 1; i <= count; ++i) {
    fs::path name = path.stem();
    name += fmt::format("-{:04}", i);
    name += path.extension();
    paths.push_back(path.parent_path() / name);
  }
  return paths;
}

void check_place(const fs::path& path, std::string_view flag) {
  std::error_code ignored;
  if (path.empty()) throw UsageError(fmt::format("{}: expected a file name, got an empty text", flag));
  if (!path.has_filename() || fs::is_directory(path, ignored)) {
    throw UsageError(fmt::format("{}: {} is a folder; name a file in it", flag, path.string()));
  }
  const fs::path folder = existing_ancestor(path);
  if (!fs::is_directory(folder, ignored)) cannot_write(path, fmt::format("{} is not a folder", folder.string()));
  if (access(folder.c_str(), W_OK | X_OK) != 0 && !fs::exists(path, ignored)) {
    cannot_write(path, std::generic_category().message(errno));
  }
}

void check_output(const fs::path& path, std::string_view flag, std::span<const std::string> inputs) {
  check_place(path, flag);
  std::error_code ignored;
  for (const std::string& input : inputs) {
    if (!input.empty() && fs::equivalent(path, input, ignored))
      throw UsageError(fmt::format("{}: {} is what the picture is made from; name another file", flag, path.string()));
  }
  check_suffix(path, flag);
}

void create_parent_folders(const fs::path& path) {
  if (path.parent_path().empty()) return;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) cannot_write(path, error.message());
}

}  // namespace llmdit::cli
