#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "encoder_choice.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/embedding_file.hpp"
#include "llmdit/generate_options.hpp"
#include "llmdit/layer_statistics.hpp"
#include "llmdit/text_encoder.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"
#include "prompt_input.hpp"
#include "statistics_run.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kEncodeExamples = R"(Examples:
  llmdit encode "a red circle"
  llmdit encode "a red circle" --layer-weights "-2:0.7,-5:0.3" --json
  llmdit encode "a red circle" --layer-statistics
  llmdit encode "a red circle" -o circle.safetensors
  llmdit encode "a red circle" --check-remote http://127.0.0.1:8765
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
        encoder_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model", is_encoder_load_field)),
        encode_flags_(OptionFlags::of<GenerateOptions>(app, "Encoding", is_encode_field)),
        statistics_(app) {
    app.add_flag("--layer-statistics", every_layer_, "describe the hidden states of every layer")->group("Output");
    add_text_flag(app, "-o,--output", output_, "FILE", "write the embeddings as safetensors, for generate --embeddings")
        ->group("Output");
    app.add_flag("--sidecar", sidecar_, "beside them a JSON file that tells what they are")->group("Output");
    add_text_flag(app, "--check-remote", check_url_, "URL", "compare the encoder there with the one here")
        ->group("Encoding");
    app.footer(kEncodeExamples);
  }

  int run() {
    const RuntimeConfig settings = runtime_config(model_.config());
    load_ = settings.load;
    if (!load_.lora.empty()) console_.warn("lora has no effect here: the text encoder is loaded without adapters");
    load_flags_.apply(load_);
    encoder_.apply(settings, !check_url_.empty());
    options_ = settings.generate;
    encode_flags_.apply(options_);
    check_combination();
    if (!output_.empty()) check_place(output_, "--output");
    statistics_.prepare();
    if (statistics_.is_wanted() && prompt_.is_given()) {
      throw UsageError("--statistics takes its prompts from --prompts-file, not a single one");
    }
    if (statistics_.is_wanted() && every_layer_) throw UsageError("--layer-statistics describes a single prompt");
    const std::string prompt = statistics_.is_wanted() ? "" : prompt_.read();
    const std::filesystem::path named = ModelChoice::resolve(settings, console_);
    const ModelSources model(named, load_);

    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    const EncodeOptions encoding{.hidden_layer = options_.hidden_layer,
                                 .layer_weights = options_.layer_weights,
                                 .layer_spans = options_.layer_spans,
                                 .stop = interrupt.token()};
    if (statistics_.is_wanted()) {
      statistics_.run(ZImageTextEncoder::load(model, load_), load_.text_encoder_path.value_or(named.string()),
                      options_.chat, encoding, json_.given(), console_);
      return 0;
    }
    const std::string text = format_prompt(prompt, options_.chat);
    if (!check_url_.empty()) return compare(model, text, encoding);
    std::optional<ZImageTextEncoder> own;
    std::shared_ptr<const TextEncoder> other;
    if (encoder_.is_remote() && !every_layer_) {  // which are those of the encoder here
      other = encoder_.connect(model, encoding.stop);
    } else {
      own = ZImageTextEncoder::load(model, load_);
    }
    const TextEncoder& encoder = own ? static_cast<const TextEncoder&>(*own) : *other;
    EncodingOutput output = encoder.encode(std::span(&text, 1), encoding);
    for (const std::string& warning : output.warnings) console_.warn(warning);
    if (!output_.empty()) write(output, prompt, model, encoder.fingerprint());
    const at::Tensor& embeddings = output.embeddings.front();
    const LayerStatistics result = layer_statistics(embeddings);
    std::vector<LayerStatistics> layers;
    if (every_layer_) layers = every_layer(*own, text, encoding.stop);
    if (json_.given()) {
      print_json(document(model.model(), prompt, output, result, layers));
    } else {
      write_stdout(line(embeddings, result) + (every_layer_ ? table(layers) : ""));
    }
    return 0;
  }

 private:
  /// Throws UsageError for flags of which one makes another void.
  void check_combination() const {
    if (!check_url_.empty() && !output_.empty())
      throw UsageError("--output has no effect with --check-remote, which only compares");
    if (every_layer_ && (encoder_.is_asked_for() || !check_url_.empty()))
      throw UsageError("--layer-statistics are those of the encoder here; leave the server out");
    if (statistics_.is_wanted() && (encoder_.is_asked_for() || !check_url_.empty() || !output_.empty()))
      throw UsageError("--statistics are those of the encoder here, in a file of their own; leave the other flags out");
    if (sidecar_ && output_.empty()) throw UsageError("--sidecar has no effect without --output");
    if (output_ == "-") throw UsageError("--output takes a file here: embeddings are not written to stdout");
  }

  static std::vector<LayerStatistics> every_layer(const ZImageTextEncoder& encoder, const std::string& text,
                                                  const std::stop_token& stop) {
    std::vector<LayerStatistics> layers;
    const std::vector<int64_t> ids = encoder.tokenizer().encode(text);
    for (const at::Tensor& states : encoder.hidden_states(ids, std::span<const int64_t>(), stop))
      layers.push_back(layer_statistics(states));
    return layers;
  }

  /// Compares a server's encoder with the one here; the exit code says whether they agree.
  int compare(const ModelSources& model, const std::string& text, const EncodeOptions& encoding) const {
    const auto other = encoder_.connect(model, encoding.stop, check_url_);
    const auto here = ZImageTextEncoder::load(model, load_);
    const EncoderDifference d = compare_encoders(here, *other, text, encoding);
    if (json_.given()) {
      print_json({{"url", check_url_},
                  {"expected_shape", d.expected_shape},
                  {"shape", d.shape},
                  {"cosine", d.cosine},
                  {"lowest_cosine", d.lowest_cosine},
                  {"max_error", d.max_error},
                  {"relative_error", d.relative_error},
                  {"nearest_layer", d.nearest_layer ? Json(*d.nearest_layer) : Json()},
                  {"agrees", d.agrees()}});
    } else {
      write_stdout(verdict(d));
    }
    return d.agrees() ? 0 : kExitRemote;
  }

  std::string verdict(const EncoderDifference& d) const {
    if (!d.has_same_shape()) {
      return fmt::format("differs: [{}] there, [{}] here\n", fmt::join(d.shape, ", "),
                         fmt::join(d.expected_shape, ", "));
    }
    std::string text =
        fmt::format("{}: {} rows of {}, cosine {:.6f} (lowest {:.6f}), relative error {:.2e}, largest {:.2e}\n",
                    d.agrees() ? "agrees" : "differs", d.shape[0], d.shape[1], d.cosine, d.lowest_cosine,
                    d.relative_error, d.max_error);
    if (d.nearest_layer)
      text += fmt::format("layer {} was asked for; what came is nearest to layer {}\n", options_.hidden_layer,
                          *d.nearest_layer);
    return text;
  }

  void write(EncodingOutput& output, const std::string& prompt, const ModelSources& model,
             const std::string& fingerprint) {
    describe_encoding(output, std::span(&prompt, 1), options_.chat);
    const std::filesystem::path place = std::filesystem::weakly_canonical(model.model());
    output.metadata["model"] = (std::filesystem::is_directory(place) ? place.filename() : place.stem()).string();
    if (!fingerprint.empty()) output.metadata["encoder_fingerprint"] = fingerprint;
    create_parent_folders(output_);
    const bool replaced = would_replace(output_);
    output_ = save_embeddings(output_, output, {.sidecar = sidecar_}).string();
    if (replaced) console_.warn(fmt::format("replaced the file {}", output_));
    console_.note(fmt::format("wrote {}", output_));
  }

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
                {"encoder", encoder_.json()},
                {"output", output_.empty() ? Json() : Json(output_)},
                {"settings", settings_json(options_, is_encode_field)},
                {"load", settings_json(load_, is_encoder_load_field)}};
    if (every_layer_) out["layers"] = statistics_json(layers);
    return out;
  }

  PromptInput prompt_;
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  EncoderChoice encoder_;
  OptionFlags load_flags_;
  OptionFlags encode_flags_;
  StatisticsRun statistics_;
  LoadOptions load_;
  GenerateOptions options_;
  bool every_layer_ = false;
  std::string output_, check_url_;
  bool sidecar_ = false;
};

}  // namespace

Action add_encode(CLI::App& app) {
  return [command = std::make_shared<EncodeCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
