#pragma once

#include "llmdit/device.hpp"

namespace llmdit {

/// The GPU "cuda:<index>" as its driver describes it, without a context on it: name, memory and compute capability, as
/// far as the driver tells them.
DeviceInfo describe_gpu(int index);

}  // namespace llmdit
