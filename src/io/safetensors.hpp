#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.hpp"

namespace llmdit::io {

/// One tensor of a safetensors file, as its header describes it.
struct TensorEntry {
  std::string name;
  std::string dtype_name;               ///< as written, e.g. "BF16"
  std::optional<at::ScalarType> dtype;  ///< nothing for a kind libtorch has no type for
  std::vector<int64_t> shape;           ///< as written: F4 counts single values
  uint64_t offset = 0;                  ///< bytes from the file's start
  uint64_t bytes = 0;
};

/// A memory-mapped safetensors file; opening reads and checks the header only.
class SafetensorsFile {
 public:
  /// Throws not_found when the file cannot be read, unsupported (naming file and key) when it breaks a rule of the
  /// format.
  static SafetensorsFile open(const std::filesystem::path& path);

  std::span<const TensorEntry> entries() const { return entries_; }
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return file_->path(); }

  /// A read-only view of the mapping that keeps it alive; a copy only where the data is not aligned for its type.
  /// F4 comes as libtorch's pairs of them, so that the last size is half of the entry's.
  /// Throws unsupported for a dtype libtorch has no type for.
  at::Tensor tensor(const TensorEntry& entry) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorEntry> entries_;  // sorted by name
  std::map<std::string, std::string> metadata_;
};

}  // namespace llmdit::io
