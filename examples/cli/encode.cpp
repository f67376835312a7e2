#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/text_encoder.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "prompt_input.hpp"
#include "statistics_run.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  llmdit encode "a red circle"
  llmdit encode "a red circle" --hidden-layer -1 --json
  llmdit encode --statistics text.npz --prompts-file prompts.txt)";

/// What a tensor of embeddings is like, in numbers; computed in float32.
struct Statistics {
  std::vector<int64_t> shape;
  std::string dtype;
  double mean, std, min, max, norm;
};

std::string dtype_text(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    default:
      return c10::toString(type);
  }
}

Statistics statistics(const at::Tensor& embeddings) {
  const at::Tensor values = embeddings.to(at::kFloat);
  return {.shape = embeddings.sizes().vec(),
          .dtype = dtype_text(embeddings.scalar_type()),
          .mean = values.mean().item<double>(),
          .std = values.std().item<double>(),
          .min = values.min().item<double>(),
          .max = values.max().item<double>(),
          .norm = values.norm().item<double>()};
}

std::string line(const Statistics& s) {
  return fmt::format("{} tokens: [{}] {}, mean {:.4g}, std {:.4g}, min {:.4g}, max {:.4g}, norm {:.4g}\n",
                     s.shape.front(), fmt::join(s.shape, ", "), s.dtype, s.mean, s.std, s.min, s.max, s.norm);
}

class EncodeCommand {
 public:
  explicit EncodeCommand(CLI::App& app)
      : prompt_(app),
        json_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model", is_encoder_load_field)),
        encode_flags_(OptionFlags::of<GenerateOptions>(app, "Encoding", is_encode_field)),
        statistics_(app) {
    app.footer(kExamples);
  }

  void run() {
    load_flags_.apply(load_);
    encode_flags_.apply(options_);
    statistics_.prepare();
    if (statistics_.is_wanted() && prompt_.is_given()) {
      throw UsageError("--statistics takes its prompts from --prompts-file, not a single one");
    }
    const std::string prompt = statistics_.is_wanted() ? "" : prompt_.read();
    const std::filesystem::path named = model_.resolve(console_);
    const ModelSources model(named, load_);

    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    const auto encoder = ZImageTextEncoder::load(model, load_);
    const EncodeOptions encoding{.hidden_layer = options_.hidden_layer, .stop = interrupt.token()};
    if (statistics_.is_wanted()) {
      return statistics_.run(encoder, load_.text_encoder_path.value_or(named.string()), options_.chat, encoding,
                             json_.given(), console_);
    }
    const std::vector<std::string> texts = {format_prompt(prompt, options_.chat)};
    const EncodingOutput output = encoder.encode(texts, encoding);
    const Statistics result = statistics(output.embeddings.front());
    json_.given() ? print_json(document(model.model(), prompt, output, result)) : write_stdout(line(result));
  }

 private:
  Json document(const std::filesystem::path& model, const std::string& prompt, const EncodingOutput& output,
                const Statistics& s) const {
    return {{"model", model.string()},
            {"prompt", prompt},
            {"formatted_prompt", output.formatted_prompts.front()},
            {"token_count", output.token_counts.front()},
            {"shape", s.shape},
            {"dtype", s.dtype},
            {"mean", s.mean},
            {"std", s.std},
            {"min", s.min},
            {"max", s.max},
            {"norm", s.norm},
            {"settings", settings_json(options_, is_encode_field)},
            {"load", settings_json(load_, is_encoder_load_field)}};
  }

  PromptInput prompt_;
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags encode_flags_;
  StatisticsRun statistics_;
  LoadOptions load_;
  GenerateOptions options_;
};

}  // namespace

Action add_encode(CLI::App& app) {
  return [command = std::make_shared<EncodeCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
