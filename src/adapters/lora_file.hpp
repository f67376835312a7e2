#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "adapters/lora_change.hpp"
#include "adapters/lora_names.hpp"
#include "io/checkpoint.hpp"
#include "llmdit/lora.hpp"
#include "nn/weight_patch.hpp"

namespace llmdit::adapters {

/// A change and the weight it is for.
struct WeightChange {
  std::string weight;  ///< the model's name, e.g. "layers.0.attention.to_q.weight"
  std::shared_ptr<const LoraChange> change;
};

/// What a LoRA file says, sorted out against the models it is for.
struct LoraFile {
  std::string name;  ///< of the file, for messages
  size_t key_count = 0;
  std::vector<WeightChange> transformer;
  std::vector<WeightChange> text_encoder;
  std::vector<UnusedLoraKey> unused;
  size_t text_encoder_keys = 0;  ///< of the unused ones, those left out because the text encoder was not asked for
};

/// Reads every key of a LoRA file. Without `text_encoder` the keys for it are listed as unused.
/// Throws unsupported for a factor that is not finite, and when nothing at all has a place in the models.
LoraFile read_lora(const io::Checkpoint& file, const WeightShapes& transformer, const WeightShapes* text_encoder);

/// Changes with their scales, as patches of whole weights. A scale of 0 leaves its weights as they are.
class PatchBuilder {
 public:
  void add(const std::vector<WeightChange>& changes, double scale);
  nn::WeightPatches build() const;

 private:
  std::map<std::string, std::vector<std::pair<std::shared_ptr<const LoraChange>, double>>> terms_;
};

/// Adds what `file` did to a report; with `strict`, throws unsupported when a key has no use.
void report_lora(const LoraFile& file, bool strict, LoraReport& report);

}  // namespace llmdit::adapters
