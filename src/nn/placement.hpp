#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

#include "llmdit/load_options.hpp"

namespace llmdit::nn {

/// Where a component lives and in which types: LoadOptions after every "auto" has been decided.
struct Placement {
  c10::Device device = c10::kCPU;
  std::optional<c10::ScalarType> storage;  ///< nothing: each tensor as its file has it
  Quantization quantization = Quantization::none;

  /// The type activations are computed in, for weights stored as `stored`.
  /// A CPU computes in float32, whose speed and accuracy 16-bit types rarely reach there. A GPU computes in bf16 where
  /// weights are bf16 or fewer bits, but never in fp16: Z-Image's activations pass its largest number.
  c10::ScalarType compute(c10::ScalarType stored) const {
    const bool is_wider = stored == c10::kFloat || stored == c10::kDouble || stored == c10::kHalf;
    return device.is_cpu() || is_wider ? c10::kFloat : c10::kBFloat16;
  }
};

/// `override_device` is the component's own device option. Throws invalid_argument naming the devices there are.
Placement resolve_placement(const LoadOptions& options,
                            const std::optional<std::string>& override_device = std::nullopt);

}  // namespace llmdit::nn
