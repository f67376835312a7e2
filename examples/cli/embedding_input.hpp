#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "console.hpp"
#include "llmdit/generate_options.hpp"

namespace llmdit::cli {

/// The flags of embeddings in files, which take a prompt's place and need no text encoder.
class EmbeddingInput {
 public:
  explicit EmbeddingInput(CLI::App& app);
  EmbeddingInput(const EmbeddingInput&) = delete;
  EmbeddingInput& operator=(const EmbeddingInput&) = delete;

  bool is_given() const { return !path_.empty(); }

  /// Whether the options ask for a prompt to be encoded besides what the files hold.
  bool needs_encoder(const GenerateOptions& options) const;

  /// Reads the files into the options.
  void apply(GenerateOptions& options, const Console& console);

  /// Says so where the embeddings were made by another model's encoder.
  void compare_model(const std::string& model, const Console& console) const;

  /// The prompt of one embedding as its file tells it; the chat text where it tells only that, else "".
  std::string prompt(size_t index) const;
  const std::vector<std::string>& formatted_prompts() const { return file_.formatted_prompts; }
  size_t count() const { return file_.embeddings.size(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_, negative_path_;
  bool no_encoder_ = false;
  EncodingOutput file_;
};

}  // namespace llmdit::cli
