#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/layer_weights.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/text_generation.hpp"
#include "llmdit/tokenizer.hpp"

namespace llmdit {

class EmbeddingCache;
namespace nn {
class Turns;
class WeightPatch;
}  // namespace nn

struct EncodeOptions {
  /// Entry of hidden_states: 0 the token embeddings, k after block k, -1 after the final norm.
  int64_t hidden_layer = -2;
  LayerWeights layer_weights{};          ///< a mix of layers instead of hidden_layer; empty: none
  std::vector<LayerSpan> layer_spans{};  ///< tokens with a mix of their own, of each text; they must not overlap
  std::stop_token stop{};                ///< asked before each block; a stop throws cancelled
};

struct EncodingOutput {
  std::vector<at::Tensor> embeddings;  ///< per text [tokens, hidden_size], float32 on a CPU
  std::vector<int64_t> token_counts;
  std::vector<std::string> formatted_prompts;     ///< the texts that were encoded
  std::vector<std::string> prompts{};             ///< as they were written, where that is known
  std::map<std::string, std::string> metadata{};  ///< what else made them, by name: "encoder", "hidden_layer", ...
  std::vector<std::string> warnings{};
};

/// What turns chat text into prompt embeddings, here or on another machine. Calls are const and thread-safe.
class LLMDIT_EXPORT TextEncoder {
 public:
  virtual ~TextEncoder();

  /// Encodes each text by itself, without padding and without a length limit but the model's.
  virtual EncodingOutput encode(std::span<const std::string> texts, const EncodeOptions& options = {}) const = 0;

  /// Width of the embeddings; 0 where it shows only with the first ones.
  virtual int64_t hidden_size() const = 0;

  /// A digest of all that embeddings depend on besides text and options: the content of the weights and adapters, their
  /// types, the tokenizer, the kind of device, this version. Empty where it is not known, as of most servers.
  virtual std::string fingerprint() const { return {}; }
};

/// `config.json` of a Qwen3 model, in the spelling of transformers 4 or 5.
struct Qwen3Config {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 1e6;
  bool tie_word_embeddings = false;  ///< the token embeddings are the head as well; used by generate only

  /// A model folder, its `config.json`, or a weight file. Throws unsupported for another architecture or a setting that
  /// is not handled.
  LLMDIT_EXPORT static Qwen3Config load(const std::filesystem::path& path);
};

/// The local encoder: a tokenizer and a Qwen3 model whose blocks run only as far as the chosen layer.
/// Copies share the weights.
class LLMDIT_EXPORT ZImageTextEncoder final : public TextEncoder {
 public:
  /// `path` is a folder with `config.json` and weights, or a weight file, safetensors or GGUF; `tokenizer_path` is the
  /// tokenizer's folder or file, which may be the same GGUF file. What a bare file does not tell is taken from
  /// `config_path`, a folder or `config.json`, or as Qwen3-4B has it.
  static ZImageTextEncoder load(const std::filesystem::path& path, const std::filesystem::path& tokenizer_path,
                                const LoadOptions& options = {}, const std::filesystem::path& config_path = {});

  /// The encoder of a model of any form; its other parts may be missing. Options of the other parts play no role.
  static ZImageTextEncoder load(const ModelSources& sources, const LoadOptions& options = {});

  /// The tokens that all texts begin with, such as those of a system prompt, are computed once: results equal those of
  /// each text alone to float32 rounding.
  EncodingOutput encode(std::span<const std::string> texts, const EncodeOptions& options = {}) const override;
  int64_t hidden_size() const override;
  /// Reads all weights when it is first asked for.
  std::string fingerprint() const override;

  /// Entry `options.hidden_layer` of transformers' hidden_states for one sequence, or the mix that the options ask for:
  /// [tokens, hidden_size]. Blocks run once, and only as far as the last layer that plays a part.
  /// Throws invalid_argument for an id outside the vocabulary, no ids, too many, or a layer or span out of range.
  at::Tensor hidden_states(std::span<const int64_t> input_ids, const EncodeOptions& options = {}) const;

  /// Several entries from one pass, in the order of `layers`; none stands for all of them, num_hidden_layers + 1.
  std::vector<at::Tensor> hidden_states(std::span<const int64_t> input_ids, std::span<const int64_t> layers,
                                        std::stop_token stop = {}) const;
  /// Lets the model go on with chat text, which format_prompt makes. `options.seed` decides which text comes of a
  /// temperature above 0. The prompt is never cut: it and max_new_tokens have to fit the model's
  /// max_position_embeddings. Throws unsupported for a checkpoint without a head.
  GeneratedText generate(std::string_view text, const TextGenerationOptions& options = {}) const;

  /// The ids that end a text: <|im_end|>, <|endoftext|>, and what the configurations of tokenizer and model name.
  const std::vector<int64_t>& stop_ids() const;

  const Qwen3Config& config() const;
  const Tokenizer& tokenizer() const;
  /// The file or folder of its weights.
  const std::filesystem::path& path() const;

  /// Where `encode` looks first and keeps what it finds; shared with the encoders of other adapters. Null without one.
  std::shared_ptr<EmbeddingCache> cache() const;

  /// The weights under transformers' names without "model.": matrices as they are kept, quantised ones as float32
  /// numbers, the rest in the type of computation.
  std::map<std::string, at::Tensor> state_dict() const;

  /// Shapes of the weights by name.
  std::map<std::string, std::vector<int64_t>> weight_shapes() const;

  /// Tensors of the checkpoint that no part of the model asked for.
  const std::vector<std::string>& unused_weights() const;

  /// Frees the weights for good, in all copies; a call that is running keeps them to its end. Calls that need them
  /// throw invalid_argument from then on.
  void unload() const;
  /// Until unload().
  bool is_loaded() const;

 private:
  friend class LoraLoader;
  friend class ModelTurns;
  /// The same, in memory only while it is in use; see nn::Turns. Null: always.
  static ZImageTextEncoder load(const ModelSources& sources, const LoadOptions& options,
                                std::shared_ptr<nn::Turns> turns);
  /// Keeps the weights in memory while it lives.
  std::shared_ptr<const void> hold(std::stop_token stop) const;

  using WeightPatches = std::map<std::string, std::shared_ptr<const nn::WeightPatch>>;

  /// The same model with changed weights; those without a patch are shared, or as in the file.
  /// `adapters` says what the patches come from, for the fingerprint.
  ZImageTextEncoder patched(const WeightPatches& patches, const std::string& adapters) const;

  EncodingOutput encode_uncached(std::span<const std::string> texts, const EncodeOptions& options) const;

  struct Impl;
  explicit ZImageTextEncoder(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace llmdit
