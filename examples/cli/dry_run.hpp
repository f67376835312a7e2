#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "json_output.hpp"
#include "llmdit/config.hpp"
#include "llmdit/memory_plan.hpp"
#include "llmdit/remote_text_encoder.hpp"
#include "name_pattern.hpp"

namespace llmdit::cli {

/// One call of the pipeline that a command is going to make.
struct PlannedRun {
  std::string prompt;
  std::optional<uint64_t> seed;
  std::vector<PictureName> pictures;
};

/// What a command would do; all of it resolved, no weight read.
struct DryRun {
  std::filesystem::path model;
  const LoadOptions& load;
  const GenerateOptions& options;
  const RemoteEncoderOptions& encoder;
  const Config& config;  ///< tells what gave each setting
  const std::vector<PlannedRun>& runs;
  const std::vector<std::filesystem::path>& paths;  ///< of the pictures, in the order of the runs
  bool has_prompts;                                 ///< embeddings may stand in their place
  bool has_encoder;                                 ///< of the model or of a server
  bool encodes_here;                                ///< by the model's own text encoder
};

/// What the library foresees of the runs: what it would refuse is thrown, what it would remark is in the warnings.
MemoryPlan foresee(const DryRun& plan);

// Both look for the parts of the model and count the tokens of each prompt.
std::string listing(const DryRun& plan, const MemoryPlan& memory);
Json document(const DryRun& plan, const MemoryPlan& memory);

}  // namespace llmdit::cli
