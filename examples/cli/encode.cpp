#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
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
#include "llmdit/layer_statistics.hpp"
#include "llmdit/text_encoder.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "prompt_input.hpp"
#include "statistics_run.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  llmdit encode "a red circle"
  llmdit encode "a red circle" --layer-weights "-2:0.7,-5:0.3" --json
  llmdit encode "a red circle" --layer-statistics
  llmdit encode --statistics text.npz --prompts-file prompts.txt)";

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

std::string line(const at::Tensor& embeddings, const LayerStatistics& s) {
  return fmt::format("{} tokens: [{}] {}, mean {:.4g}, std {:.4g}, min {:.4g}, max {:.4g}, norm {:.4g}\n",
                     embeddings.size(0), fmt::join(embeddings.sizes(), ", "), dtype_text(embeddings.scalar_type()),
                     s.mean, s.std, s.min, s.max, embeddings.norm().item<double>());
}

/// One line a layer, for people.
std::string table(const std::vector<LayerStatistics>& layers) {
  constexpr size_t shown = 4;
  std::string out = fmt::format("{:>5}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {}\n", "layer", "mean",
                                "std", "min", "max", "row norm", "least", "most", "outlier dimensions (ratio)");
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerStatistics& s = layers[i];
    out += fmt::format("{:>5}  {:>10.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g} ", i, s.mean,
                       s.std, s.min, s.max, s.row_norm_mean, s.row_norm_min, s.row_norm_max);
    for (size_t o = 0; o < std::min(shown, s.outliers.size()); ++o)
      out += fmt::format(" {} ({:.3g})", s.outliers[o].dim, s.outliers[o].ratio);
    out += s.outliers.size() > shown ? fmt::format(" and {} more\n", s.outliers.size() - shown) : "\n";
  }
  return out;
}

Json statistics_json(const std::vector<LayerStatistics>& layers) {
  Json list = Json::array();
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerStatistics& s = layers[i];
    Json outliers = Json::array();
    for (const OutlierDimension& o : s.outliers)
      outliers.push_back({{"dim", o.dim}, {"magnitude", o.magnitude}, {"ratio", o.ratio}});
    list.push_back({{"layer", i},
                    {"mean", s.mean},
                    {"std", s.std},
                    {"min", s.min},
                    {"max", s.max},
                    {"row_norm_mean", s.row_norm_mean},
                    {"row_norm_min", s.row_norm_min},
                    {"row_norm_max", s.row_norm_max},
                    {"outliers", outliers}});
  }
  return list;
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
    app.add_flag("--layer-statistics", every_layer_, "describe the hidden states of every layer")->group("Output");
    app.footer(kExamples);
  }

  void run() {
    load_flags_.apply(load_);
    encode_flags_.apply(options_);
    statistics_.prepare();
    if (statistics_.is_wanted() && prompt_.is_given()) {
      throw UsageError("--statistics takes its prompts from --prompts-file, not a single one");
    }
    if (statistics_.is_wanted() && every_layer_) throw UsageError("--layer-statistics describes a single prompt");
    const std::string prompt = statistics_.is_wanted() ? "" : prompt_.read();
    const std::filesystem::path named = model_.resolve(console_);
    const ModelSources model(named, load_);

    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    const auto encoder = ZImageTextEncoder::load(model, load_);
    const EncodeOptions encoding{.hidden_layer = options_.hidden_layer,
                                 .layer_weights = options_.layer_weights,
                                 .layer_spans = options_.layer_spans,
                                 .stop = interrupt.token()};
    if (statistics_.is_wanted()) {
      return statistics_.run(encoder, load_.text_encoder_path.value_or(named.string()), options_.chat, encoding,
                             json_.given(), console_);
    }
    const std::vector<std::string> texts = {format_prompt(prompt, options_.chat)};
    const EncodingOutput output = encoder.encode(texts, encoding);
    const at::Tensor& embeddings = output.embeddings.front();
    const LayerStatistics result = layer_statistics(embeddings);
    std::vector<LayerStatistics> layers;
    if (every_layer_) {
      const std::vector<int64_t> ids = encoder.tokenizer().encode(texts.front());
      for (const at::Tensor& states : encoder.hidden_states(ids, std::span<const int64_t>(), interrupt.token()))
        layers.push_back(layer_statistics(states));
    }
    if (json_.given()) {
      print_json(document(model.model(), prompt, output, result, layers));
    } else {
      write_stdout(line(embeddings, result) + (every_layer_ ? table(layers) : ""));
    }
  }

 private:
  Json document(const std::filesystem::path& model, const std::string& prompt, const EncodingOutput& output,
                const LayerStatistics& s, const std::vector<LayerStatistics>& layers) const {
    const at::Tensor& embeddings = output.embeddings.front();
    Json out = {{"model", model.string()},
                {"prompt", prompt},
                {"formatted_prompt", output.formatted_prompts.front()},
                {"token_count", output.token_counts.front()},
                {"shape", embeddings.sizes().vec()},
                {"dtype", dtype_text(embeddings.scalar_type())},
                {"mean", s.mean},
                {"std", s.std},
                {"min", s.min},
                {"max", s.max},
                {"norm", embeddings.norm().item<double>()},
                {"settings", settings_json(options_, is_encode_field)},
                {"load", settings_json(load_, is_encoder_load_field)}};
    if (every_layer_) out["layers"] = statistics_json(layers);
    return out;
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
  bool every_layer_ = false;
};

}  // namespace

Action add_encode(CLI::App& app) {
  return [command = std::make_shared<EncodeCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
