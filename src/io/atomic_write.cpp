#include "io/atomic_write.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::io {
namespace {

namespace fs = std::filesystem;

/// 0, or the errno of the failing call; the descriptor is closed in every case.
int write_and_close(int fd, std::span<const std::byte> bytes, bool sync) {
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && sync && ::fsync(fd) != 0) error = errno;
  // Network file systems report a full disk as late as here.
  if (::close(fd) != 0 && error == 0) error = errno;
  return error;
}

/// A new file in `folder`, with the permissions of an ordinary new file; -1 and errno when there is none.
int create_temporary(const fs::path& folder, fs::path& created) {
  static std::atomic<unsigned> counter{0};
  int fd = -1;
  do {
    created = folder / fmt::format(".llmdit-{}-{}.tmp", ::getpid(), counter++);
    fd = ::open(created.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);  // a leftover of a killed process with the same id
  return fd;
}

int replace_file(const fs::path& path, std::span<const std::byte> bytes, const struct stat* old) {
  fs::path temporary;
  const int fd = create_temporary(path.parent_path().empty() ? fs::path(".") : path.parent_path(), temporary);
  if (fd < 0) return errno;
  if (old) (void)::fchmod(fd, old->st_mode & 0777);  // a courtesy that some file systems refuse
  int error = write_and_close(fd, bytes, /*sync=*/true);
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) ::unlink(temporary.c_str());
  return error;
}

}  // namespace

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  struct stat old{};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  int error = 0;
  if (exists && S_ISDIR(old.st_mode)) {
    error = EISDIR;
  } else if (exists && !S_ISREG(old.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    error = fd < 0 ? errno : write_and_close(fd, bytes, /*sync=*/false);
  } else {
    std::error_code ignored;
    const fs::path real = exists ? fs::canonical(path, ignored) : path;
    error = replace_file(real.empty() ? path : real, bytes, exists ? &old : nullptr);
  }
  if (error != 0) {
    fail(ErrorCode::not_found, "file", "cannot write {}: {}", printable_path(path),
         std::generic_category().message(error));
  }
}

}  // namespace llmdit::io
