#include "io/atomic_write.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_to_write(const fs::path& path, int error) {
  fail(ErrorCode::not_found, "file", "cannot write {}: {}", printable_path(path),
       std::generic_category().message(error));
}

/// An open file, closed in every case.
class OutputFile {
 public:
  OutputFile(int fd, fs::path path) : fd_(fd), path_(std::move(path)) {}
  ~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) fail_to_write(path_, errno);
      if (written > 0) bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void finish(bool sync) {
    if (sync && ::fsync(fd_) != 0) fail_to_write(path_, errno);
    // Network file systems report a full disk as late as here.
    if (::close(std::exchange(fd_, -1)) != 0) fail_to_write(path_, errno);
  }

 private:
  int fd_;
  fs::path path_;  // for messages
};

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

/// What a name stands for, behind symbolic links, also those whose target is not there yet: a link is the user's, and
/// stays.
fs::path behind_links(const fs::path& path) {
  constexpr int most = 40;  // as the system has it
  std::error_code error;
  fs::path real = path;
  for (int i = 0; fs::is_symlink(fs::symlink_status(real, error)); ++i) {
    if (i == most) fail_to_write(path, ELOOP);
    real = real.parent_path() / fs::read_symlink(real, error);
    if (error) fail_to_write(path, error.value());
  }
  return real;
}

void replace_file(const fs::path& path, const std::function<void(const ByteSink&)>& produce, const struct stat* old) {
  fs::path temporary;
  const int fd = create_temporary(path.parent_path().empty() ? fs::path(".") : path.parent_path(), temporary);
  if (fd < 0) fail_to_write(path, errno);
  if (old) (void)::fchmod(fd, old->st_mode & 0777);  // a courtesy that some file systems refuse
  try {
    OutputFile file(fd, path);
    produce([&](std::span<const std::byte> bytes) { file.write(bytes); });
    file.finish(/*sync=*/true);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_to_write(path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

void write_file_atomically(const fs::path& path, const std::function<void(const ByteSink&)>& produce) {
  struct stat old{};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail_to_write(path, EISDIR);
  if (exists && !S_ISREG(old.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) fail_to_write(path, errno);
    OutputFile file(fd, path);
    produce([&](std::span<const std::byte> bytes) { file.write(bytes); });
    return file.finish(/*sync=*/false);
  }
  replace_file(behind_links(path), produce, exists ? &old : nullptr);
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  write_file_atomically(path, [&](const ByteSink& sink) { sink(bytes); });
}

}  // namespace llmdit::io
