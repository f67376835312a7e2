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

#include "kernels/block_format.hpp"

namespace llmdit::io {

/// One tensor of a weight file, as the file's header describes it.
struct TensorEntry {
  std::string name;
  std::string dtype_name;  ///< as written, e.g. "BF16", "Q4_K"
  std::optional<at::ScalarType>
      dtype{};  ///< of the elements; nothing for blocks and for kinds libtorch has no type for
  std::optional<kernels::BlockType> block{};  ///< of quantised blocks
  std::vector<int64_t> shape{};               ///< in values, outermost first: F4 and blocks count single values
  uint64_t offset = 0;                        ///< bytes from the file's start
  uint64_t bytes = 0;
};

/// A memory-mapped file of named tensors; opening reads and checks the header only.
class WeightFile {
 public:
  virtual ~WeightFile() = default;

  /// Safetensors or GGUF, told by the file's first bytes. Throws not_found when it cannot be read, unsupported (naming
  /// file and key) when it breaks a rule of its format or has another one.
  static std::shared_ptr<const WeightFile> open(const std::filesystem::path& path);

  virtual const std::filesystem::path& path() const = 0;
  /// Sorted by name.
  virtual std::span<const TensorEntry> entries() const = 0;
  /// What the header says besides the tensors. Numbers and flags of a GGUF file are written as text, lists as JSON.
  virtual const std::map<std::string, std::string>& metadata() const = 0;

  /// A read-only view of the mapping that keeps it alive; a copy only where the data is not aligned for its type.
  /// F4 comes as libtorch's pairs of them, so that the last size is half of the entry's. Blocks come as uint8 [bytes].
  /// Throws unsupported for a dtype libtorch has no type for.
  virtual at::Tensor tensor(const TensorEntry& entry) const = 0;

  /// Takes a tensor's pages out of the process's memory until they are next read.
  virtual void give_back(const TensorEntry& entry) const = 0;

  /// Null for an unknown name.
  const TensorEntry* find(std::string_view name) const;
};

}  // namespace llmdit::io
