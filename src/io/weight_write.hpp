#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/block_format.hpp"

namespace llmdit::io {

/// A tensor to be written. Its bytes are asked for when its turn comes, so that no more than one is held in memory.
struct TensorSource {
  std::string name;
  at::ScalarType dtype = at::kFloat;          ///< of the numbers; unused for blocks
  std::optional<kernels::BlockType> block{};  ///< then `shape` counts weights and `make` gives the blocks as uint8
  std::vector<int64_t> shape{};
  std::function<at::Tensor()> make{};  ///< contiguous, on the CPU, of that type and size
};

/// Writes a safetensors file: tensors in the order given. Blocks, which the format does not know, are stored as U8
/// [rows, bytes] and named in the header under "llmdit.blocks".
/// Throws not_found when the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// Values of a GGUF header by their type.
struct GgufMetadata {
  std::map<std::string, std::string> texts;
  std::map<std::string, uint32_t> numbers;
  std::map<std::string, float> floats;
};

/// Writes a GGUF file of version 3.
void write_gguf(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                const GgufMetadata& metadata);

/// Bytes of the tensor in a file.
uint64_t stored_bytes(const TensorSource& tensor);

}  // namespace llmdit::io
