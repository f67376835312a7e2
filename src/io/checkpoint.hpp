#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.hpp"

namespace llmdit::io {

/// The tensors of one model component: a safetensors file, or a folder with one file or with shards and their index.
class Checkpoint {
 public:
  /// `path` is a safetensors file, an index, or a folder that holds `<stem>.safetensors` or
  /// `<stem>.safetensors.index.json` for one of `stems` (e.g. "diffusion_pytorch_model", "model"). An earlier stem goes
  /// before a later one, and any of them before a variant such as `<stem>.fp16.safetensors`, which is taken when it is
  /// the only one. A file next to an index that names other files, or two variants, is an error: pass the file itself.
  /// Tensors that the index does not name belong to the checkpoint too.
  /// Throws not_found naming every file looked for, or a missing shard; unsupported for an index that names a key its
  /// shard lacks or a file outside the folder, and for a key that stands in two shards.
  static Checkpoint open(const std::filesystem::path& path, std::span<const std::string_view> stems);

  /// Names in sorted order.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const;
  const TensorEntry* find(std::string_view name) const;
  /// The file that holds `name`; the component's own path for an unknown name.
  const std::filesystem::path& file_of(std::string_view name) const;
  /// Throws unsupported naming the component's path when there is no such tensor.
  at::Tensor tensor(std::string_view name) const;
  /// The file or folder that was opened.
  const std::filesystem::path& path() const { return path_; }
  std::vector<std::filesystem::path> files() const;
  /// The header metadata of all files; where they disagree, that of the first.
  std::map<std::string, std::string> metadata() const;

 private:
  void add_file(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, size_t, std::less<>> file_index_;  // tensor name -> files_
};

}  // namespace llmdit::io
