#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"

namespace llmdit {

/// The type weights are kept in. Activations are float32 on a CPU whatever this is, so 16-bit weights cost no accuracy,
/// but where the processor multiplies bfloat16 itself (`llmdit devices` tells): there wide layers round what they are
/// given to it, as diffusers does, unless LLMDIT_CPU names an older kind.
enum class DType {
  automatic,  ///< as the checkpoint has them
  float32,
  bfloat16,
  float16,
};

/// "auto", "float32", "bfloat16", "float16".
LLMDIT_EXPORT std::string_view dtype_name(DType dtype) noexcept;

/// Also takes "bf16", "fp16", "fp32", "half" and "float".
LLMDIT_EXPORT std::optional<DType> parse_dtype(std::string_view name) noexcept;

struct DeviceInfo {
  std::string name;         ///< "cpu", "cuda:0": what device options take
  std::string description;  ///< the processor's own name
  uint64_t memory_bytes = 0;
  std::vector<std::string> features;  ///< instruction sets that matter here, e.g. "avx2", "avx512_bf16", "amx_bf16"
};

/// The devices that models can be placed on, the CPU first.
LLMDIT_EXPORT std::vector<DeviceInfo> available_devices();

/// How weights of one kind are multiplied on a device.
struct StorageSupport {
  std::string kind;     ///< "float32", "bfloat16", "int8", "GGUF blocks", ...
  std::string product;  ///< "native", "integers", "widened to ..." piece by piece, "converted to ..." at load
};

/// The storage kinds by how they are multiplied on a device as `available_devices` names it.
LLMDIT_EXPORT std::vector<StorageSupport> storage_support(std::string_view device);

/// Which compilation of the products on a CPU runs on this machine: "avx512", "avx2" or "baseline". Throws
/// invalid_argument where LLMDIT_CPU asks for another.
LLMDIT_EXPORT std::string_view cpu_kernels();

}  // namespace llmdit
