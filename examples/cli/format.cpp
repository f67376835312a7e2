#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "field_filters.hpp"
#include "json_output.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/tokenizer.hpp"
#include "llmdit/z_image_transformer.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "prompt_input.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kFormatExamples = R"(Examples:
  llmdit format "a red circle"
  llmdit format "a red circle" --system-prompt "Paint in oil." --json)";

/// What the text encoder is given for a prompt.
struct Formatted {
  std::string prompt;
  std::string text;
  std::vector<int64_t> ids;
  std::vector<std::string> pieces;
  int64_t max_tokens = 0;  ///< of the transformer

  bool fits() const { return static_cast<int64_t>(ids.size()) <= max_tokens; }
};

Formatted format_and_tokenize(const std::string& prompt, const ChatOptions& chat, const ModelSources& model) {
  Formatted result;
  result.prompt = prompt;
  result.text = format_prompt(prompt, chat);
  const Tokenizer tokenizer = Tokenizer::load(model.tokenizer());
  result.ids = tokenizer.encode(result.text);
  for (const int64_t id : result.ids) result.pieces.push_back(tokenizer.id_to_token(id).value_or(""));
  result.max_tokens = max_caption_len(ZImageTransformerConfig::load(model.transformer()));
  return result;
}

std::string listing(const Formatted& result) {
  std::string out =
      fmt::format("{}\n\n{} tokens, the transformer takes {}:\n", result.text, result.ids.size(), result.max_tokens);
  for (size_t i = 0; i < result.ids.size(); ++i)
    out += fmt::format("{:>8}  {}\n", result.ids[i], json_text(result.pieces[i]));
  return out;
}

Json document(const Formatted& result) {
  Json tokens = Json::array();
  for (size_t i = 0; i < result.ids.size(); ++i) tokens.push_back({{"id", result.ids[i]}, {"piece", result.pieces[i]}});
  return {{"prompt", result.prompt},
          {"formatted_prompt", result.text},
          {"token_count", result.ids.size()},
          {"max_tokens", result.max_tokens},
          {"tokens", tokens}};
}

class FormatCommand {
 public:
  explicit FormatCommand(CLI::App& app)
      : prompt_(app),
        json_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model", is_token_load_field)),
        chat_flags_(OptionFlags::of<GenerateOptions>(app, "Chat text", is_chat_field)) {
    app.footer(kFormatExamples);
  }

  void run() const {
    const RuntimeConfig settings = runtime_config(model_.config());
    LoadOptions load = settings.load;
    load_flags_.apply(load);
    GenerateOptions options = settings.generate;
    chat_flags_.apply(options);
    const std::string prompt = prompt_.read();
    const ModelSources sources(ModelChoice::resolve(settings, console_), load);
    const Formatted result = format_and_tokenize(prompt, options.chat, sources);
    if (!result.fits()) {
      console_.warn(fmt::format("{} tokens are more than the {} that the transformer takes", result.ids.size(),
                                result.max_tokens));
    }
    json_.given() ? print_json(document(result)) : write_stdout(listing(result));
  }

 private:
  PromptInput prompt_;
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags chat_flags_;
};

}  // namespace

Action add_format(CLI::App& app) {
  return [command = std::make_shared<FormatCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
