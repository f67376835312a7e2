#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace llmdit::io {

/// A read-only memory mapping of a whole file. Nothing is read before it is touched.
class MappedFile {
 public:
  /// Throws not_found with the system's reason. An empty file gives an empty mapping.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Takes the pages of a range out of the process's memory; they come back, mostly from the system's cache, when they
  /// are next read.
  void give_back(uint64_t offset, uint64_t bytes) const;

 private:
  MappedFile() = default;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace llmdit::io
