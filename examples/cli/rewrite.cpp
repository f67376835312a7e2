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
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "prompt_input.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kRewriteExamples = R"(Examples:
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
        rewrite_flags_(OptionFlags::of<RewriteOptions>(app, "Rewriting")),
        template_flags_(OptionFlags::of<GenerateOptions>(app, "Rewriting", is_templates_field)),
        server_flags_(OptionFlags::of<RewriterModelOptions>(app, "Server")) {
    add_text_flag(app, "--image", image_, "FILE", "picture the prompt is about, or to be described")->group("Prompt");
    app.footer(kRewriteExamples);
  }

  void run() {
    settings_ = runtime_config(model_.config());
    load_flags_.apply(settings_.load);
    template_flags_.apply(settings_.generate);
    if (!settings_.load.lora.empty())
      console_.warn("lora has no effect here: adapters are fused where pictures are made");
    options_ = settings_.rewrite;
    rewrite_flags_.apply(options_);
    const std::string prompt = prompt_.is_given() || image_.empty() ? prompt_.read() : "";
    if (!image_.empty()) options_.image = read_image(image_);
    choose_model();

    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    options_.stop = interrupt.token();
    const PromptRewriter rewriter(backend(), TemplateRegistry::standard(settings_.generate.chat.templates_dir));
    const RewrittenPrompt result = rewrite(rewriter, prompt);
    for (const std::string& warning : result.warnings) console_.warn(warning);
    json_.given() ? print_json(document(prompt, result)) : write_stdout(result.prompt + "\n");
  }

 private:
  static bool is_templates_field(const OptionField& field) { return field.name == "templates_dir"; }

  /// Flags over the settings: one that names a server, or its model, wins over what a profile says of another.
  void choose_model() {
    RewriterModelOptions& model = settings_.rewriter;
    server_flags_.apply(model);
    const bool has_choice = server_flags_.is_given("use-api");
    if (server_flags_.is_given("url") && !model.api_url.empty()) {
      if (has_choice && !*model.use_api) throw UsageError("--url has no effect with --no-use-api");
      model.use_api = true;
    }
    const bool names_model = server_flags_.is_given("api-model") && !server_flags_.is_given("vl-api-model");
    if (names_model) model.vl_api_model.clear();
    if (!options_.image && server_flags_.is_given("vl-api-model"))
      throw UsageError("--vl-api-model has no effect without --image");
    if (model.asks_server(options_.image.has_value())) return;
    for (const char* flag : {"api-model", "timeout"}) {
      if (server_flags_.is_given(flag)) throw UsageError(fmt::format("--{} has no effect without --url", flag));
    }
  }

  std::shared_ptr<const ChatBackend> backend() {
    const bool is_remote = settings_.rewriter.asks_server(options_.image.has_value());
    if (!is_remote) settings_.model = ModelChoice::resolve(settings_, console_).string();
    const char* key = std::getenv("LLMDIT_API_KEY");
    return load_chat_backend(settings_, key ? key : "");
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
    Json settings = settings_json(options_);
    settings.update(settings_json(settings_.rewriter));
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
            {"settings", settings}};
  }

  PromptInput prompt_;
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_, rewrite_flags_, template_flags_, server_flags_;
  std::string image_;
  RuntimeConfig settings_;
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
