#include "io/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::io {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void fail_to_read(const std::filesystem::path& path, std::string_view reason) {
  fail(ErrorCode::not_found, "file", "cannot read {}: {}", printable_path(path), reason);
}

std::string system_reason() { return std::generic_category().message(errno); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer; regular files do not care.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info{};
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) fail_to_read(path, system_reason());
  if (S_ISDIR(info.st_mode)) fail_to_read(path, "expected a file, found a folder");
  if (!S_ISREG(info.st_mode)) fail_to_read(path, "expected a regular file, found a pipe or device");

  const std::shared_ptr<MappedFile> result(new MappedFile);
  result->path_ = path;
  if (info.st_size > 0) {
    const auto size = static_cast<size_t>(info.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (data == MAP_FAILED) fail_to_read(path, system_reason());
    result->data_ = static_cast<const std::byte*>(data);
    result->size_ = size;
  }
  return result;
}

void MappedFile::give_back(uint64_t offset, uint64_t bytes) const {
  if (!data_ || bytes == 0) return;
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = offset / page * page, end = std::min<uint64_t>(size_, offset + bytes);
  // Only advice: where the system does not take it, the pages stay.
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace llmdit::io
