#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/weight_file.hpp"

namespace llmdit::io {

/// A GGUF file of version 2 or 3, little-endian.
class GgufFile final : public WeightFile {
 public:
  /// Throws not_found when the file cannot be read, unsupported (naming file and key) when it breaks a rule of the
  /// format.
  static std::shared_ptr<const GgufFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const override { return file_->path(); }
  std::span<const TensorEntry> entries() const override { return entries_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  at::Tensor tensor(const TensorEntry& entry) const override;
  void give_back(const TensorEntry& entry) const override { file_->give_back(entry.offset, entry.bytes); }

  // Lists of the header, which metadata() tells only the lengths of when they are long. Nothing when there is no such
  // list of that kind.
  std::optional<std::vector<std::string>> strings(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;

 private:
  class Parser;

  /// A list as it lies in the file; its elements have been walked over once.
  struct List {
    uint32_t type = 0;
    uint64_t count = 0;
    size_t offset = 0;
  };

  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, List, std::less<>> lists_;
};

}  // namespace llmdit::io
