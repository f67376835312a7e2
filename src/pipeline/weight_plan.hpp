#pragma once

#include <string>
#include <vector>

#include "models/model_files.hpp"
#include "nn/weights.hpp"

namespace llmdit {

/// How a model would find its weights.
struct WeightPlan {
  std::vector<nn::WeightProblem> problems;  ///< weights that are missing or do not fit
  std::vector<std::string> unused;          ///< tensors that have no place
};

// The model is built from tensors without data.
WeightPlan plan_weights(const models::ModelFiles<ZImageTransformerConfig>& files);
WeightPlan plan_weights(const models::ModelFiles<Qwen3Config>& files);
WeightPlan plan_weights(const models::ModelFiles<AutoencoderKLConfig>& files);

}  // namespace llmdit
