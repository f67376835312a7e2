#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace llmdit::fuzz {

/// A file in memory with the given bytes, removed at the end.
class File {
 public:
  File(const std::string& name, const uint8_t* data, size_t size)
      : path_("/dev/shm/llmdit-" + std::to_string(::getpid()) + "-" + name) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }
  ~File() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace llmdit::fuzz
