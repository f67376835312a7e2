#pragma once

#include "llmdit/options.hpp"

namespace llmdit::cli {

// Which fields of GenerateOptions a command takes that does only a part of the work. Told by where a field writes to,
// so that a new field finds its commands by itself.

/// Whether the field shapes the chat text of a prompt.
bool is_chat_field(const OptionField& field);

/// Whether the field has a say in a prompt's embeddings.
bool is_encode_field(const OptionField& field);

/// Whether the field means something for pictures in files: all but the kind of result a program asks for.
bool is_picture_field(const OptionField& field);

/// Whether the field of LoadOptions means something where the text encoder is loaded alone.
bool is_encoder_load_field(const OptionField& field);

/// The same where Qwen3-VL may be loaded instead, for a picture.
bool is_rewriter_load_field(const OptionField& field);

/// Whether the field of LoadOptions names a part that decides on a prompt's tokens and how many there may be.
bool is_token_load_field(const OptionField& field);

}  // namespace llmdit::cli
