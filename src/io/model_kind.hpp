#pragma once

#include <string>
#include <vector>

#include "llmdit/inspect.hpp"

namespace llmdit::io {

/// The class whose tensors these are, e.g. "ZImageTransformer2DModel"; "LoRA" for every kind of adapter; several joined
/// with " + " for an all-in-one file; "" when unknown. `tensors` are sorted by name.
std::string tell_model(const std::vector<TensorInfo>& tensors);

}  // namespace llmdit::io
