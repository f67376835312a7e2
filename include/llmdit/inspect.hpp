#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/image.hpp"

namespace llmdit {

enum class FileKind {
  weights,       ///< a safetensors or GGUF file
  component,     ///< a folder with the weights of one model, in one file or in shards
  model_folder,  ///< a diffusers folder with a model_index.json, or one of single files as ComfyUI has them
  tokenizer,     ///< a tokenizer.json, tokenizer.model, or a folder with one
  picture,       ///< a PNG, JPEG or WebP file
};

/// The kind's name, e.g. "model_folder".
LLMDIT_EXPORT std::string_view file_kind_name(FileKind kind) noexcept;

struct TensorInfo {
  std::string name;
  std::string dtype;  ///< the format's own word, e.g. "BF16", "Q4_K"
  std::vector<int64_t> shape;
  uint64_t bytes = 0;
  std::filesystem::path file;
  std::vector<std::string> becomes;  ///< tensors of the model that it holds or, of a LoRA, changes; by published names
};

/// How the weights of one component would load.
struct ComponentInfo {
  std::string component;              ///< "tokenizer", "text_encoder", "transformer", "vae", "lora"
  std::string model;                  ///< the class
  std::string sizes;                  ///< of the model, in words
  std::vector<std::string> problems;  ///< why it does not load: refused kinds, tensors that are missing or do not fit
  std::vector<std::string> unused;    ///< tensors that have no place in the model
};

struct FileInfo {
  FileKind kind = FileKind::weights;
  std::filesystem::path path;
  std::string model;  ///< class named by the configuration or told from the tensors; "" when unknown
  std::map<std::string, std::string> metadata;  ///< of weights and model folders: header metadata, component classes
  std::vector<TensorInfo> tensors;              ///< sorted by name
  std::vector<ComponentInfo> loads;             ///< of weights: the components they hold
  std::vector<FileInfo> components;             ///< of a model folder, in the order of the flow
  ImageInfo picture;                            ///< of a picture
};

/// What a file, a folder or a hub id in the local cache is, from headers alone. All checks of the format are made.
/// Throws not_found when it cannot be read, unsupported when it is damaged or of no known kind.
LLMDIT_EXPORT FileInfo inspect(const std::filesystem::path& path);

/// What there is of one dtype.
struct DTypeSummary {
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

/// By the tensors' dtype.
LLMDIT_EXPORT std::map<std::string, DTypeSummary> summarize(const std::vector<TensorInfo>& tensors);

/// FileInfo as a JSON object, with a summary by dtype in place of the tensors unless they are wanted. Bytes that are no
/// UTF-8 become U+FFFD.
LLMDIT_EXPORT std::string to_json(const FileInfo& info, bool with_tensors = true);

}  // namespace llmdit
