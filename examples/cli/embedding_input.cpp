#include "embedding_input.hpp"

#include <fmt/format.h>

#include "help.hpp"
#include "llmdit/embedding_file.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {

EmbeddingInput::EmbeddingInput(CLI::App& app) {
  add_text_flag(app, "--embeddings", path_, "FILE", "embeddings of llmdit encode in the prompt's place")
      ->group("Prompt");
  add_text_flag(app, "--negative-embeddings", negative_path_, "FILE", "the same for the negative prompt")
      ->group(kFinePoints);
  app.add_flag("--no-text-encoder", no_encoder_, "load none: prompts come from embeddings or from --cache-folder")
      ->group(kFinePoints);
}

bool EmbeddingInput::needs_encoder(const GenerateOptions& options) const {
  if (no_encoder_) return false;
  return !is_given() || (options.guidance_scale > 0 && negative_path_.empty());
}

void EmbeddingInput::apply(GenerateOptions& options, const Console& console) {
  const auto read = [&](const std::string& path) {
    EncodingOutput file = load_embeddings(path);
    for (const std::string& warning : file.warnings) console.warn(warning);
    return file;
  };
  if (is_given()) {
    file_ = read(path_);
    options.prompt_embeds = file_.embeddings;
  }
  if (!negative_path_.empty()) options.negative_prompt_embeds = read(negative_path_).embeddings;
}

void EmbeddingInput::compare_model(const std::string& model, const Console& console) const {
  const auto made_by = file_.metadata.find("model");
  if (made_by == file_.metadata.end() || made_by->second == model) return;
  console.warn(fmt::format("{} was made for the model {}, this is {}: pictures agree where their text encoders do",
                           path_, made_by->second, model));
}

std::string EmbeddingInput::prompt(size_t index) const {
  if (index < file_.prompts.size()) return file_.prompts[index];
  return index < file_.formatted_prompts.size() ? file_.formatted_prompts[index] : std::string();
}

}  // namespace llmdit::cli
