#include "output_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "exit_codes.hpp"
#include "llmdit/error.hpp"
#include "llmdit/image.hpp"

namespace llmdit::cli {
namespace fs = std::filesystem;
namespace {

constexpr int kMostLinks = 40;  // as the system has it

[[noreturn]] void cannot_write(const fs::path& path, const std::string& reason) {
  throw Error(ErrorCode::not_found, fmt::format("[output] cannot write {}: {}", path.string(), reason));
}

[[noreturn]] void cannot_write(const fs::path& path, int error) {
  cannot_write(path, std::generic_category().message(error));
}

void check_suffix(const fs::path& path, std::string_view flag) {
  try {
    image_format_of(path);
  } catch (const Error&) {
    throw UsageError(fmt::format("{}: pictures are written as .png, .jpg, .jpeg or .webp, not as {}: {}", flag,
                                 path.extension().string(), path.string()));
  }
}

/// Where the bytes would go: behind symbolic links, also one whose target is not there yet.
fs::path written_place(const fs::path& path) {
  fs::path place = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(place, error)); ++i)
    place = place.parent_path() / fs::read_symlink(place, error);
  return place;
}

/// The folder that exists and that missing ones would be made in.
fs::path existing_ancestor(const fs::path& path) {
  std::error_code ignored;
  fs::path folder = path.parent_path();
  while (!folder.empty() && !fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  return folder.empty() ? "." : folder;
}

/// 0 where files can be made in the folder, else the system's reason. Permissions do not tell all: of a file system
/// that is read-only or full, or of a folder like /proc, only the attempt does.
int error_of_new_file(const fs::path& folder) {
  int file = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {  // there it needs a name
    const fs::path name = folder / fmt::format(".llmdit-{}.tmp", getpid());
    file = open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file >= 0) unlink(name.c_str());
  }
  if (file < 0) return errno;
  close(file);
  return 0;
}

}  // namespace

void check_place(const fs::path& path, std::string_view flag) {
  std::error_code ignored;
  if (path.empty()) throw UsageError(fmt::format("{}: expected a file name, got an empty text", flag));
  if (!path.has_filename() || fs::is_directory(path, ignored)) {
    throw UsageError(fmt::format("{}: {} is a folder; name a file in it", flag, path.string()));
  }
  const fs::path place = written_place(path);
  struct stat there{};
  const bool exists = stat(place.c_str(), &there) == 0;
  if (!exists && errno != ENOENT && errno != ENOTDIR) cannot_write(path, errno);  // a name too long, links in a ring
  if (exists && !S_ISREG(there.st_mode)) {                                        // a pipe or device is written to
    if (access(place.c_str(), W_OK) != 0) cannot_write(path, errno);
    return;
  }
  const fs::path folder = existing_ancestor(place);
  if (!fs::is_directory(folder, ignored)) cannot_write(path, fmt::format("{} is not a folder", folder.string()));
  if (const int error = error_of_new_file(folder); error != 0) cannot_write(path, error);
}

void check_output(const fs::path& path, std::string_view flag, std::span<const std::string> inputs) {
  check_place(path, flag);
  for (const std::string& input : inputs) {
    if (!input.empty() && is_same_file(path, input))
      throw UsageError(fmt::format("{}: {} is what the picture is made from; name another file", flag, path.string()));
  }
  check_suffix(path, flag);
}

bool is_same_file(const fs::path& one, const fs::path& other) {
  std::error_code ignored;
  if (fs::equivalent(one, other, ignored)) return true;
  const auto place = [&](const fs::path& path) {
    return fs::weakly_canonical(fs::absolute(written_place(path), ignored), ignored);
  };
  return place(one) == place(other);
}

bool would_replace(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void create_parent_folders(const fs::path& path) {
  if (path.parent_path().empty()) return;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) cannot_write(path, error.message());
}

}  // namespace llmdit::cli
