#pragma once

#include <vector>

#include "llmdit/inspect.hpp"

namespace llmdit {

/// How a LoRA file would load on the published model, by its keys alone: a smaller model has fewer of the modules.
/// Notes in `tensors` which weights each key changes.
ComponentInfo plan_lora(std::vector<TensorInfo>& tensors);

}  // namespace llmdit
