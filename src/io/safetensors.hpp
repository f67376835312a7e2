#pragma once

#include "io/mapped_file.hpp"
#include "io/weight_file.hpp"

namespace llmdit::io {

class SafetensorsFile final : public WeightFile {
 public:
  /// Throws not_found when the file cannot be read, unsupported (naming file and key) when it breaks a rule of the
  /// format.
  static std::shared_ptr<const SafetensorsFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const override { return file_->path(); }
  std::span<const TensorEntry> entries() const override { return entries_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  at::Tensor tensor(const TensorEntry& entry) const override;
  void give_back(const TensorEntry& entry) const override { file_->give_back(entry.offset, entry.bytes); }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace llmdit::io
