#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "command.hpp"
#include "console.hpp"
#include "encoder_choice.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "llmdit/encoder_server.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kServeEncoderExamples = R"(Examples:
  llmdit serve-encoder --port 8765
  llmdit generate "a red circle" --encoder-url http://127.0.0.1:8765)";

class ServeEncoderCommand {
 public:
  explicit ServeEncoderCommand(CLI::App& app)
      : console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model", is_encoder_load_field)),
        server_flags_(OptionFlags::of<EncoderServerOptions>(app, "Server")) {
    add_text_flag(app, "--api-key", key_, "KEY", "that clients have to send; default LLMDIT_ENCODER_API_KEY")
        ->group("Server");
    app.footer(kServeEncoderExamples);
  }

  void run() {
    const RuntimeConfig settings = runtime_config(model_.config());
    load_ = settings.load;
    load_flags_.apply(load_);
    if (!load_.lora.empty()) console_.warn("lora has no effect here: adapters are fused where pictures are made");
    options_ = settings.server;
    server_flags_.apply(options_);
    options_.api_key = encoder_key(key_);
    const ModelSources model(ModelChoice::resolve(settings, console_), load_);
    InterruptGuard interrupt([this] { console_.note("stopping"); });
    const EncoderServer server(ZImageTextEncoder::load(model, load_), options_);
    write_stdout(server.url() + "\n");
    console_.note(fmt::format("serving hidden states at {}; Ctrl-C ends it", server.url()));
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait(lock, interrupt.token(), [] { return false; });
  }

 private:
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_, server_flags_;
  LoadOptions load_;
  EncoderServerOptions options_;
  std::string key_;
};

}  // namespace

Action add_serve_encoder(CLI::App& app) {
  return [command = std::make_shared<ServeEncoderCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
