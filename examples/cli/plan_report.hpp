#pragma once

#include <string>

#include "json_output.hpp"
#include "llmdit/memory_plan.hpp"

namespace llmdit::cli {

std::string plan_listing(const MemoryPlan& plan);
Json plan_document(const MemoryPlan& plan);

/// "peak 10.3 GB of 64.1 GB, in denoise": one line of it.
std::string plan_line(const MemoryPlan& plan);

}  // namespace llmdit::cli
