#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llmdit/chat.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace llmdit {

/// Which of a call's prompts; token spans are those of the prompt alone.
struct PromptSide {
  std::string_view name;  ///< in warnings
  bool has_layer_spans;
};
inline constexpr PromptSide prompt_side{"prompt", true}, negative_side{"negative prompt", false};

/// What one call makes of prompts that are longer than the transformer's limit, and what it says of them.
class LongPrompts {
 public:
  /// Throws invalid_argument for a max_text_tokens past the model's limit. The options have to outlive this.
  LongPrompts(const ZImageTransformerConfig& transformer, const GenerateOptions& options);

  /// The chat texts of the prompts, encoded; with LongPromptMode::segments those that are too long in groups of
  /// sentences, which the tokenizer counts; null where there is none.
  EncodingOutput encode(const TextEncoder& encoder, const Tokenizer* tokenizer, std::span<const std::string> prompts,
                        const ChatOptions& chat, const PromptSide& side);

  /// What encode and compress would refuse or remark, told by the tokenizer of the model's own encoder; null where
  /// another one encodes, of which nothing is known. Returns the tokens of each prompt; none without the encoder.
  std::vector<int64_t> foresee(const ZImageTextEncoder* encoder, std::span<const std::string> prompts,
                               const ChatOptions& chat, const PromptSide& side);
  /// The same of embeddings that are given.
  void foresee(std::span<const at::Tensor> embeds, std::string_view name);

  /// Embeddings as the transformer takes them.
  std::vector<at::Tensor> compress(std::vector<at::Tensor> embeds, std::string_view name);

  bool extrapolates() const { return options_.long_prompt_mode == LongPromptMode::extrapolate; }

  /// One for each text or tensor that is changed, and what the encoder had to say.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  /// A long text in groups of sentences, each in the chat text; of each the rows that are kept of its tokens.
  struct Segments {
    std::vector<std::string> texts;
    std::vector<std::pair<int64_t, int64_t>> rows;  ///< begin and end

    int64_t total() const;
  };

  Segments split(const Tokenizer& tokenizer, const Conversation& conversation, const EncodeOptions& encoding,
                 const std::string& who);
  bool is_too_long(int64_t rows) const { return rows > limit_; }
  /// Says what becomes of a text of so many rows.
  void remark_long(const std::string& who, int64_t rows);
  EncodeOptions encoding_of(const PromptSide& side) const;
  void check_tokenizer(const Tokenizer* tokenizer) const;

  std::vector<at::Tensor> encode_texts(const TextEncoder& encoder, std::span<const std::string> texts,
                                       const EncodeOptions& encoding);
  at::Tensor encode_segments(const TextEncoder& encoder, const Tokenizer& tokenizer, const Conversation& conversation,
                             const EncodeOptions& encoding, const std::string& who);

  const GenerateOptions& options_;
  int64_t limit_;
  std::vector<std::string> warnings_;
};

/// What the options say about encoding.
EncodeOptions encode_options(const GenerateOptions& options);

}  // namespace llmdit
