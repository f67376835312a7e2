#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::adapters {

/// Names and shapes of a model's weights and biases, e.g. "layers.0.attention.to_q.weight" -> [3840, 3840].
using WeightShapes = std::map<std::string, std::vector<int64_t>>;

/// A weight of the model, its bias, and the rows of a LoRA target's output that they make.
struct TargetRows {
  std::string weight;
  std::string bias;  ///< the name it has if there is one
  int64_t first = 0;
  int64_t rows = 0;
};

/// What a LoRA may change as one: a module of the model, or a fused projection that the model has in parts.
struct LoraTarget {
  std::string name;               ///< e.g. "layers.0.attention.to_q", "layers.0.attention.qkv"
  std::vector<TargetRows> parts;  ///< in the order of their rows

  int64_t rows() const { return parts.back().first + parts.back().rows; }
};

/// Which target in a model a LoRA key means, whoever wrote it.
///
/// Built forward, from the model's names to every spelling of them: names hold underscores of their own, so that an
/// underscored spelling cannot be taken apart again.
class LoraNames {
 public:
  enum class Model { transformer, text_encoder };

  LoraNames(const WeightShapes& shapes, Model model);

  /// The target that a key's stem (what stands before ".lora_A.weight" and the like) means; null for none.
  const LoraTarget* find(std::string_view stem) const;

 private:
  void add(const std::string& spelling, const std::shared_ptr<const LoraTarget>& target);
  void add_fused(const WeightShapes& shapes, const std::string& stem);

  Model model_;
  std::map<std::string, std::shared_ptr<const LoraTarget>, std::less<>> spellings_;
};

/// Whether a key carries a prefix under which trainers store the text encoder's part.
bool is_text_encoder_key(std::string_view key);

/// What a tensor of a LoRA file is to its target.
enum class LoraRole {
  down,
  up,
  alpha,
  scale,
  diff,
  diff_bias,
  set_weight,
  dora_scale,
  hada_w1_a,
  hada_w1_b,
  hada_w2_a,
  hada_w2_b,
  lokr_w1,
  lokr_w1_a,
  lokr_w1_b,
  lokr_w2,
  lokr_w2_a,
  lokr_w2_b,
  unhandled,
};

struct LoraKey {
  std::string stem;
  LoraRole role;
  std::string_view reason{};  ///< why an unhandled one is not handled
};

/// Takes a key apart; nothing when no trainer's suffix fits.
std::optional<LoraKey> parse_lora_key(std::string_view key);

}  // namespace llmdit::adapters
