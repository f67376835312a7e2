#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/model_files.hpp"
#include "nn/weights.hpp"

namespace llmdit {

/// How a model would find its weights.
struct WeightPlan {
  std::vector<nn::WeightProblem> problems;      ///< weights that are missing or do not fit
  std::vector<std::string> unused;              ///< tensors that have no place
  std::map<std::string, nn::KeptBytes> kept;    ///< what each weight takes
  std::set<std::string, std::less<>> streamed;  ///< prefixes of the blocks that max_memory reads for each use
  c10::ScalarType compute = c10::kFloat;        ///< the type it would compute in
};

// The model is built from tensors without data.
WeightPlan plan_weights(const models::ModelFiles<ZImageTransformerConfig>& files, const nn::Placement& placement = {});
WeightPlan plan_weights(const models::ModelFiles<Qwen3Config>& files, const nn::Placement& placement = {});
WeightPlan plan_weights(const models::ModelFiles<AutoencoderKLConfig>& files, const nn::Placement& placement = {});

}  // namespace llmdit
