#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "llmdit/device.hpp"
#include "llmdit/export.hpp"
#include "llmdit/options.hpp"

namespace llmdit {

/// How tensors are named in a file.
enum class WeightLayout {
  diffusers,  ///< diffusers' names for transformer and autoencoder, transformers' for the text encoder
  original,   ///< the original release's: fused qkv, ae.safetensors' names
};

/// What the matrices of a model's blocks are turned into. Everything else stays in the type that is asked for.
enum class WeightQuantization {
  none,
  float8,  ///< E4M3 with a scale for each matrix
  int8,    ///< 8 bits with a scale for each row
  int4,    ///< 4 bits with a scale for each 32 weights of a row: Q4_0 blocks, in a safetensors file
  q8_0,    ///< GGUF's block types
  q4_0,
};

struct ConvertOptions {
  WeightLayout layout = WeightLayout::diffusers;  ///< of a safetensors file; GGUF files have names of their own
  DType dtype = DType::automatic;                 ///< of what is not quantised; automatic: as it is, bf16 for quantised
  WeightQuantization quantization = WeightQuantization::none;
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<ConvertOptions>();

struct ConvertReport {
  std::string component;              ///< "text_encoder", "transformer" or "vae"
  int64_t tensors = 0;                ///< written
  int64_t quantized = 0;              ///< of these, quantised
  uint64_t bytes = 0;                 ///< of the tensors' data
  std::vector<std::string> warnings;  ///< what of the input or of the options is not in the output
};

/// Writes the weights of one component, a file or folder of any form that loads, as one file: .safetensors or .gguf by
/// the suffix of `output`. Its configuration, where there is one, goes into the header, so that the file loads by
/// itself. No more than one tensor is held in memory. Throws unsupported for what does not load or a kind the format
/// does not have, invalid_argument for another suffix, not_found for a file that cannot be read or written.
LLMDIT_EXPORT ConvertReport convert_weights(const std::filesystem::path& input, const std::filesystem::path& output,
                                            const ConvertOptions& options = {});

}  // namespace llmdit
