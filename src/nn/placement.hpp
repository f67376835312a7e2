#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "llmdit/load_options.hpp"

namespace llmdit::nn {

/// Where a component lives and in which types: LoadOptions after every "auto" has been decided.
struct Placement {
  c10::Device device = c10::kCPU;
  std::optional<c10::ScalarType> storage;  ///< nothing: each tensor as its file has it
  Quantization quantization = Quantization::none;
  AttentionBackend attention = AttentionBackend::sdpa;  ///< never automatic
  std::optional<uint64_t> max_memory{};                 ///< bytes of weights at a time

  /// The type activations are computed in, for weights stored as `stored`.
  /// A CPU computes in float32, whose speed and accuracy 16-bit types rarely reach there. A GPU computes in bf16 where
  /// weights are bf16 or fewer bits, but never in fp16: Z-Image's activations pass its largest number.
  c10::ScalarType compute(c10::ScalarType stored) const {
    const bool is_wider = stored == c10::kFloat || stored == c10::kDouble || stored == c10::kHalf;
    return device.is_cpu() || is_wider ? c10::kFloat : c10::kBFloat16;
  }
};

/// What LoadOptions says of one component, in the place of what it says of all.
struct ComponentChoice {
  std::string_view part{};  ///< "dit": the options are dit_device and dit_quantization
  std::optional<std::string> device{};
  std::optional<Quantization> quantization{};
};

/// Throws invalid_argument naming the devices or attention backends there are, unsupported for compile.
Placement resolve_placement(const LoadOptions& options, const ComponentChoice& own = {});

/// "auto" is a GPU when there is one. Throws invalid_argument naming the devices there are, and the option.
c10::Device resolve_device(const std::string& name, std::string_view option = "device");

}  // namespace llmdit::nn
