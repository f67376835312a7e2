#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llmdit/export.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/options.hpp"
#include "llmdit/remote.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/tokenizer.hpp"

namespace llmdit {

/// How a server is asked for hidden states.
enum class EncoderApi {
  llmdit,        ///< EncoderServer, `llmdit serve-encoder`
  heylook,       ///< heylookitsanllm's /v1/hidden_states
  sglang,        ///< SGLang's /generate with return_hidden_states
  vllm_file,     ///< vLLM's extract_hidden_states, which writes files on a disk that both sides see
  vllm_pooling,  ///< refused: gives the normed last layer only
  embeddings,    ///< OpenAI's /v1/embeddings; refused: gives one vector a text
};

/// A text encoder on another machine.
struct RemoteEncoderOptions {
  RemoteOptions server{};
  EncoderApi api = EncoderApi::llmdit;
  std::string model{};                  ///< its name at the server; "": the server's own choice
  std::vector<double> layer_ids{};      ///< sglang and vllm_file: ids in the server's counting, as it was started with;
                                        ///< none: it gives one layer, which is taken to be the one that is asked for
  std::optional<std::string> folder{};  ///< vllm_file: where its shared_storage_path is seen here, UTF-8
};

template <>
LLMDIT_EXPORT std::span<const OptionField> option_fields<RemoteEncoderOptions>();

/// What is known here of the model that a server runs.
struct RemoteEncoderModel {
  std::optional<Tokenizer> tokenizer{};  ///< token ids are sent where the server takes them, and rows are counted
  int64_t hidden_size = 0;               ///< 0: not known
  int64_t num_hidden_layers = 36;        ///< Qwen3-4B's

  /// As far as the files tell: tokenizer and sizes of a model, whose encoder's weights need not be there.
  LLMDIT_EXPORT static RemoteEncoderModel of(const ModelSources& sources);
};

namespace remote {
class EncoderProtocol;
}

/// An encoder that asks a server. Every answer is checked: rows against tokens, width, layer, finite numbers.
class LLMDIT_EXPORT RemoteTextEncoder final : public TextEncoder {
 public:
  /// Throws invalid_argument for options that make no sense, unsupported for an API that cannot give the states of a
  /// layer. Only the llmdit API is asked before the first text.
  explicit RemoteTextEncoder(const RemoteEncoderOptions& options, const RemoteEncoderModel& model = {},
                             const std::stop_token& stop = {});

  /// Throws RemoteError for a server that fails or whose answer is not what was asked for, unsupported for a layer that
  /// its API cannot give.
  EncodingOutput encode(std::span<const std::string> texts, const EncodeOptions& options = {}) const override;
  int64_t hidden_size() const override;
  std::string fingerprint() const override;

  const RemoteEncoderOptions& options() const { return options_; }

 private:
  at::Tensor encode_one(const std::string& text, const EncodeOptions& options) const;

  RemoteEncoderOptions options_;
  RemoteEncoderModel model_;
  std::shared_ptr<const remote::EncoderProtocol> protocol_;
};

/// How two encoders' embeddings of one text differ.
struct EncoderDifference {
  std::vector<int64_t> expected_shape, shape;
  double cosine = 0;          ///< mean over the rows
  double lowest_cosine = 0;   ///< of any row
  double max_error = 0;       ///< largest absolute difference
  double relative_error = 0;  ///< norm of the difference over that of the expected embeddings
  std::optional<int64_t>
      nearest_layer{};  ///< of the expected encoder, where another layer is nearer than the one asked for

  bool has_same_shape() const { return shape == expected_shape; }
  /// Whether pictures made from them are the same to the eye.
  bool agrees() const { return has_same_shape() && lowest_cosine > 0.99; }
};

/// Compares another encoder with a local one on one text.
LLMDIT_EXPORT EncoderDifference compare_encoders(const ZImageTextEncoder& expected, const TextEncoder& other,
                                                 const std::string& text, const EncodeOptions& options = {});

}  // namespace llmdit
