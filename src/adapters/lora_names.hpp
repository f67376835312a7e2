#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::adapters {

/// Names and shapes of a model's weights and biases, e.g. "layers.0.attention.to_q.weight" -> [3840, 3840].
using WeightShapes = std::map<std::string, std::vector<int64_t>>;

/// Rows of a module's output that one module of the model makes; all of them, or a part of a fused projection.
struct ModuleRows {
  std::string module;  ///< the model's name, without ".weight"
  int64_t first = 0;
  int64_t rows = 0;
};

/// Which modules of a model a LoRA key may mean, whoever wrote it.
///
/// Built forward, from the model's names to every spelling of them: names hold underscores of their own, so that an
/// underscored spelling cannot be taken apart again.
class LoraNames {
 public:
  enum class Model { transformer, text_encoder };

  LoraNames(const WeightShapes& shapes, Model model);

  /// The modules that a key's stem (what stands before ".lora_A.weight" and the like) means; null for none.
  const std::vector<ModuleRows>* find(std::string_view stem) const;

 private:
  void add(const std::string& spelling, const std::vector<ModuleRows>& modules);

  Model model_;
  std::map<std::string, std::vector<ModuleRows>, std::less<>> spellings_;
};

/// Whether a key carries a prefix under which trainers store the text encoder's part.
bool is_text_encoder_key(std::string_view key);

/// What a tensor of a LoRA file is to its module.
enum class LoraRole {
  down,
  up,
  mid,
  alpha,
  scale,
  diff,
  diff_bias,
  set_weight,
  dora_scale,
  reshape,
  hada_w1_a,
  hada_w1_b,
  hada_w2_a,
  hada_w2_b,
  hada_t1,
  hada_t2,
  lokr_w1,
  lokr_w1_a,
  lokr_w1_b,
  lokr_w2,
  lokr_w2_a,
  lokr_w2_b,
  lokr_t2,
  factor_bias,
  factor_scale,
};

struct LoraKey {
  std::string stem;
  LoraRole role;
};

/// Takes a key apart; nothing when no trainer's suffix fits.
std::optional<LoraKey> parse_lora_key(std::string_view key);

}  // namespace llmdit::adapters
