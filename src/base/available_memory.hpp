#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace llmdit {

/// Bytes that can still be taken on the device: on a CPU what the machine and the process's control groups leave, on a
/// GPU what is free or cached for reuse. The largest number where that cannot be told.
uint64_t available_memory(const c10::Device& device);

}  // namespace llmdit
