#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/weight_file.hpp"

namespace llmdit::io {

/// The tensors of weight files that belong together: a safetensors or GGUF file, or a folder with one file or with
/// shards and their index.
class Checkpoint {
 public:
  /// `path` is a weight file, an index, or a folder that holds `<stem>.safetensors` or `<stem>.safetensors.index.json`
  /// for one of the published stems ("diffusion_pytorch_model", "model", in this order). They go before a variant such
  /// as `<stem>.fp16.safetensors`, and that before any other weight file, each taken when it is the only one. A file
  /// next to an index that names other files, or two of a kind, is an error: pass the file itself.
  /// Tensors that the index does not name belong to the checkpoint too.
  /// Throws not_found naming every file looked for, or a missing shard; unsupported for an index that names a key its
  /// shard lacks or a file outside the folder, and for a key that stands in two shards.
  static Checkpoint open(const std::filesystem::path& path);

  /// Names in sorted order.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const;
  const TensorEntry* find(std::string_view name) const;
  /// The file that holds `name`; the component's own path for an unknown name.
  const std::filesystem::path& file_of(std::string_view name) const;
  /// Throws unsupported naming the component's path when there is no such tensor.
  at::Tensor tensor(std::string_view name) const;
  /// Takes a tensor's pages, or those of all files, out of the process's memory until they are next read.
  void give_back(std::string_view name) const;
  void give_back() const;
  /// The file or folder that was opened.
  const std::filesystem::path& path() const { return path_; }
  std::vector<std::filesystem::path> files() const;
  /// The header metadata of all files; where they disagree, that of the first.
  std::map<std::string, std::string> metadata() const;

 private:
  void add_file(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::vector<std::shared_ptr<const WeightFile>> files_;
  std::map<std::string, size_t, std::less<>> file_index_;  // tensor name -> files_
};

}  // namespace llmdit::io
