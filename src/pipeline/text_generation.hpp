#pragma once

#include <vector>

#include "io/checkpoint.hpp"
#include "llmdit/text_generation.hpp"
#include "llmdit/tokenizer.hpp"
#include "models/qwen3.hpp"

namespace llmdit {

/// What the model reads before it writes.
struct WrittenPrompt {
  std::vector<int64_t> ids;       ///< for penalties; places of a picture are tokens as well
  models::DecoderInput input;     ///< without a cache
  int64_t next_position = 0;      ///< of the first token that is written; behind a picture not the number of tokens
  std::vector<int64_t> stop_ids;  ///< of the model
};

/// Writes token by token until one of the stop ids, with a key/value cache of the call's own.
GeneratedText generate_text(const models::Qwen3Model& model, const Tokenizer& tokenizer, const WrittenPrompt& prompt,
                            const TextGenerationOptions& options);

/// The ids that end a text: the tokenizer's <|im_end|> and <|endoftext|>, its configuration's eos_token, and what the
/// model's generation_config.json, else its config.json, and a GGUF file's header name.
std::vector<int64_t> find_stop_ids(const Tokenizer& tokenizer, const io::Checkpoint& model);

}  // namespace llmdit
