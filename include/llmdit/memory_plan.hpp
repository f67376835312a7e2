#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/load_options.hpp"

namespace llmdit {

/// The weights of one model, as they would be kept.
struct ComponentPlan {
  std::string name;             ///< "text_encoder", "transformer", "vae"
  std::string device;           ///< "cpu", "cuda:0"
  uint64_t file_bytes = 0;      ///< of its tensors in the files
  uint64_t mapped_bytes = 0;    ///< views of the files, whose pages come in when they are used
  uint64_t copied_bytes = 0;    ///< memory of its own: converted, quantised, or on a GPU
  uint64_t streamed_bytes = 0;  ///< of these two, read anew for each use, as max_memory asks
  uint64_t parameters = 0;
  bool operator==(const ComponentPlan&) const = default;
};

/// A stage of a generation at its peak.
struct StagePlan {
  std::string name;  ///< "encode", "denoise", "decode"
  std::string device;
  uint64_t weight_bytes = 0;        ///< in memory during the stage, those of earlier stages that stay among them
  uint64_t activation_bytes = 0;    ///< what a stage works with
  uint64_t peak_bytes = 0;          ///< both, and on a CPU what the process itself takes
  double flops = 0;                 ///< multiplications and additions, of all steps
  std::optional<double> seconds{};  ///< flops at the rate measured; nothing without that
  bool operator==(const StagePlan&) const = default;
};

struct MemoryPlan {
  std::vector<ComponentPlan> components;
  std::vector<StagePlan> stages;
  uint64_t process_bytes = 0;    ///< resident now: program and libraries
  uint64_t peak_bytes = 0;       ///< of the stages on the CPU
  uint64_t available_bytes = 0;  ///< on the CPU, what is resident now among it
  bool fits = true;              ///< on every device
  int64_t width = 0, height = 0, batch = 0;
  std::vector<int64_t> token_counts;         ///< one a prompt
  std::optional<double> flops_per_second{};  ///< of a product of the transformer's width, measured on the spot
  std::vector<std::string> warnings;
};

struct PlanOptions {
  bool encodes_here = true;    ///< by the model's own text encoder
  bool has_encoder = true;     ///< where it does not encode here; else embeddings come from the caller or a cache
  bool is_batch = true;        ///< the prompts in one call; else each in one of its own, and the longest is planned
  bool measure_speed = false;  ///< run a product of the transformer's width, a second or so, for estimates of time
};

/// What generating these prompts would take, told by the headers of the files; no weight is read. Without prompts, of
/// one prompt of 64 tokens. Throws what loading and generating would throw before a model runs; `warnings` are theirs,
/// and what is to be said of memory.
LLMDIT_EXPORT MemoryPlan plan_memory(const std::filesystem::path& path, const LoadOptions& load = {},
                                     const GenerateOptions& generate = {}, std::span<const std::string> prompts = {},
                                     const PlanOptions& options = {});

}  // namespace llmdit
