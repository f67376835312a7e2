#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/device.hpp"
#include "llmdit/options.hpp"

namespace llmdit {

/// What the matrices of the transformer's and the text encoder's blocks are kept as.
enum class Quantization {
  none,
  int8,  ///< 8 bits with a factor for each 128 weights of a row; on a CPU multiplied in integers
  int4,  ///< 4 bits with a factor for each 32 weights of a row
};

/// Which kernel multiplies queries, keys and values; see attention.hpp for what each needs.
enum class AttentionBackend {
  automatic,      ///< LLM_DIT_ATTENTION where that is set, else sdpa
  sdpa,           ///< libtorch's own choice among its kernels
  math,           ///< the formula, step by step: what the others are checked against
  flash,          ///< libtorch's flash kernel
  mem_efficient,  ///< libtorch's memory-efficient kernel, on a GPU
  flash_attn_2,   ///< these four from an operator library that has been loaded
  flash_attn_3,
  sage,
  xformers,
};

/// A number of bytes; as text "8GB", "7.5GiB", "512 MB", or bytes alone.
struct MemorySize {
  uint64_t bytes = 0;
  bool operator==(const MemorySize&) const = default;
};

/// Throws invalid_argument for what is not a positive size.
LLMDIT_EXPORT MemorySize parse_memory_size(std::string_view text);

/// Where and how the weights of a model are kept; the paths and adapters are for pipelines, the rest for every part.
struct LoadOptions {
  DType dtype = DType::automatic;
  Quantization quantization = Quantization::none;
  std::optional<Quantization> text_encoder_quantization{};  ///< like quantization, for one component
  std::optional<Quantization> dit_quantization{};
  std::optional<Quantization> vl_quantization{};
  std::string device = "auto";                       ///< "auto" (a GPU when there is one), "cpu", "cuda", "cuda:N"
  std::optional<std::string> text_encoder_device{};  ///< like device, for one component
  std::optional<std::string> dit_device{};
  std::optional<std::string> vae_device{};
  bool cpu_offload = false;                ///< the models take turns: one is in memory, or on the GPU, at a time
  std::optional<MemorySize> max_memory{};  ///< weights in memory at most; blocks beyond it are read for each use
  AttentionBackend attention_backend = AttentionBackend::automatic;
  bool compile = false;                           ///< always refused: libtorch compiles models of Python only
  std::optional<std::string> transformer_path{};  ///< a folder or weight file in place of the model's own, UTF-8
  std::optional<std::string> text_encoder_path{};
  std::optional<std::string> vae_path{};
  std::optional<std::string> tokenizer_path{};  ///< not given: the model's, or that beside or inside the text encoder
  std::optional<std::string> vl_model_path{};   ///< folder of a Qwen3-VL model; not given: `vl_encoder` in the model's
  std::optional<std::string> vl_device{};       ///< like device, for that model
  bool vl_auto_unload = true;                   ///< free its weights after each reading of a picture
  bool enable_cache = false;                    ///< keep the embeddings of prompts in memory
  int64_t cache_size = 100;                     ///< prompts kept at most
  int64_t cache_megabytes = 1024;               ///< memory they take at most
  std::optional<std::string> cache_folder{};    ///< keep them as files in this folder, too; UTF-8
  std::vector<std::string> lora{};              ///< adapters fused at load, each "path" or "path:scale", see parse_lora
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<LoadOptions>();

}  // namespace llmdit
