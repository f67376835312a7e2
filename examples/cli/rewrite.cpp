#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/prompt_rewriter.hpp"
#include "llmdit/vl_chat_backend.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "prompt_input.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  llmdit rewrite "a cat" --rewriter NAME
  llmdit rewrite "a cat" --system-prompt "Describe the picture in one sentence." --no-thinking
  llmdit rewrite --image cat.png --vl-model Qwen/Qwen3-VL-4B-Instruct
  llmdit rewrite --image cat.png --url http://localhost:8000 --json)";

/// Shows a text on stderr while it is written, where that is a terminal.
class LiveText {
 public:
  explicit LiveText(bool wanted) : shown_(wanted && stderr_terminal().interactive) {}
  ~LiveText() {
    if (at_start_) return;
    std::fputs(stderr_terminal().color ? "\x1b[0m\n" : "\n", stderr);
  }
  LiveText(const LiveText&) = delete;
  LiveText& operator=(const LiveText&) = delete;

  bool shown() const { return shown_; }

  void add(std::string_view text) {
    if (!shown_ || text.empty()) return;
    if (at_start_ && stderr_terminal().color) std::fputs("\x1b[2m", stderr);
    at_start_ = false;
    const std::string clean = without_controls(text);
    std::fwrite(clean.data(), 1, clean.size(), stderr);
    std::fflush(stderr);
  }

 private:
  bool shown_;
  bool at_start_ = true;
};

class RewriteCommand {
 public:
  explicit RewriteCommand(CLI::App& app)
      : prompt_(app),
        json_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model", is_rewriter_load_field)),
        rewrite_flags_(OptionFlags::of<RewriteOptions>(app, "Rewriting")) {
    add_text_flag(app, "--image", image_, "FILE", "picture the prompt is about, or to be described")->group("Prompt");
    url_flag_ = add_text_flag(app, "--url", remote_.url, "URL", "server of OpenAI's chat API instead of a model here");
    url_flag_->group("Server");
    add_text_flag(app, "--api-model", api_model_, "NAME", "model of the server; default its only one")->group("Server");
    timeout_flag_ = app.add_option("--timeout", remote_.timeout,
                                   fmt::format("seconds for an answer (default {})", remote_.timeout));
    timeout_flag_->type_name("SECONDS")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->group("Server");
    app.footer(kExamples);
  }

  void run() {
    settings_ = runtime_config(model_.config());
    load_ = settings_.load;
    load_flags_.apply(load_);
    if (!load_.lora.empty()) console_.warn("lora has no effect here: adapters are fused where pictures are made");
    options_ = settings_.rewrite;
    rewrite_flags_.apply(options_);
    const std::string prompt = prompt_.is_given() || image_.empty() ? prompt_.read() : "";
    if (!image_.empty()) options_.image = read_image(image_);
    if (url_flag_->count() == 0 && !api_model_.empty()) throw UsageError("--api-model has no effect without --url");
    if (url_flag_->count() == 0 && timeout_flag_->count() > 0)
      throw UsageError("--timeout has no effect without --url");

    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    options_.stop = interrupt.token();
    const PromptRewriter rewriter(backend());
    const RewrittenPrompt result = rewrite(rewriter, prompt);
    for (const std::string& warning : result.warnings) console_.warn(warning);
    json_.given() ? print_json(document(prompt, result)) : write_stdout(result.prompt + "\n");
  }

 private:
  std::shared_ptr<const ChatBackend> backend() {
    if (url_flag_->count() == 0) {
      const ModelSources sources(ModelChoice::resolve(settings_, console_), load_);
      if (options_.image) return std::make_shared<VLChatBackend>(VLEmbeddingExtractor::load(sources, load_));
      return std::make_shared<LocalChatBackend>(ZImageTextEncoder::load(sources, load_));
    }
    if (const char* key = std::getenv("LLMDIT_API_KEY")) remote_.api_key = key;
    return std::make_shared<RemoteChatBackend>(remote_, api_model_);
  }

  RewrittenPrompt rewrite(const PromptRewriter& rewriter, const std::string& prompt) {
    LiveText live(!console_.quiet());
    if (live.shown()) {
      options_.on_token = [&live](const TokenInfo& token) {
        live.add(token.text);
        return false;
      };
    }
    return rewriter.rewrite(prompt, options_);
  }

  Json document(const std::string& prompt, const RewrittenPrompt& result) const {
    return {{"prompt", prompt},
            {"image", image_.empty() ? Json() : Json(image_)},
            {"rewritten_prompt", result.prompt},
            {"thinking", result.thinking ? Json(*result.thinking) : Json()},
            {"text", result.text},
            {"rewriter", result.rewriter.empty() ? Json() : Json(result.rewriter)},
            {"system_prompt", result.system_prompt},
            {"model", result.model},
            {"seed", result.seed ? Json(*result.seed) : Json()},
            {"finish_reason", finish_reason_name(result.finish_reason)},
            {"prompt_tokens", result.prompt_tokens},
            {"new_tokens", result.new_tokens},
            {"warnings", result.warnings},
            {"settings", settings_json(options_)}};
  }

  PromptInput prompt_;
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags rewrite_flags_;
  std::string image_, api_model_;
  CLI::Option *url_flag_, *timeout_flag_;
  RemoteOptions remote_;
  RuntimeConfig settings_;
  LoadOptions load_;
  RewriteOptions options_;
};

}  // namespace

Action add_rewrite(CLI::App& app) {
  return [command = std::make_shared<RewriteCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
