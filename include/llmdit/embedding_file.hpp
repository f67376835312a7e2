#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "llmdit/chat.hpp"
#include "llmdit/export.hpp"
#include "llmdit/text_encoder.hpp"

namespace llmdit {

// Embeddings as safetensors files: "embeddings" [tokens, hidden_size], or "embeddings_0", "embeddings_1", ... for
// several texts. What made them stands in the header, under "llmdit" as JSON; so a machine without the text encoder can
// generate from them, and whoever finds the file knows what it is.

struct SaveEmbeddingsOptions {
  bool sidecar = false;  ///< also a JSON file of the same stem, as llm-dit-experiments reads; for one text only
};

/// Notes in `output` what its texts were made from: `prompts` as they were written, the parts of the chat, the layer.
LLMDIT_EXPORT void describe_encoding(EncodingOutput& output, std::span<const std::string> prompts,
                                     const ChatOptions& chat);

/// Writes a file; without a suffix ".safetensors" is added. Returns its path. Throws invalid_argument for embeddings
/// that are empty, not [tokens, hidden_size], of several widths or not finite, not_found when it cannot be written.
LLMDIT_EXPORT std::filesystem::path save_embeddings(const std::filesystem::path& path, const EncodingOutput& output,
                                                    const SaveEmbeddingsOptions& options = {});

/// Reads a file of ours or one of the two kinds of llm-dit-experiments: with its metadata in a JSON file beside it, or
/// with prompts in the header. The embeddings keep the file's type. What is unknown stays empty.
/// Throws not_found when it cannot be read, unsupported for another kind of file, a PyTorch file (.pt) among them, and
/// for embeddings that are not finite.
LLMDIT_EXPORT EncodingOutput load_embeddings(const std::filesystem::path& path);

}  // namespace llmdit
