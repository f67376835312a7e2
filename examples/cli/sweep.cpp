#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "encoder_choice.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/error.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "picture_inputs.hpp"
#include "picture_output.hpp"
#include "prompt_input.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kSweepExamples = R"(Examples:
  llmdit sweep "a red circle" --over hidden-layer=0,1,2,3,-1 --seed 7 -o layers.png
  llmdit sweep --prompt-file long.txt --over long-prompt-mode=truncate,interpolate,pool,attention_pool
  llmdit sweep "a red circle" --over "layer-weights=-2:1;-2:0.5,-3:0.5" --num-images-per-prompt 3
  llmdit sweep "a red circle" --over vl-alpha=0,0.25,0.5,0.75,1 --vl-image picture.png)";

constexpr int64_t kGap = 4;  // pixels between the pictures of a sheet
constexpr size_t kMostValues = 1024;

/// The setting that differs from picture to picture: "hidden-layer=-1,-2", values with commas parted by semicolons.
struct SweptOption {
  const OptionField* field = nullptr;
  std::vector<std::string> values;

  explicit SweptOption(const std::string& text) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) throw UsageError(fmt::format("--over: expected NAME=VALUE,..., got '{}'", text));
    std::string name = text.substr(0, equals);
    std::ranges::replace(name, '-', '_');
    const auto fields = option_fields<GenerateOptions>();
    const auto found = std::ranges::find_if(fields, [&](const OptionField& candidate) {
      std::string flag(candidate.flag);
      std::ranges::replace(flag, '-', '_');
      return is_picture_field(candidate) && (candidate.name == name || flag == name);
    });
    try {
      field = found != fields.end() ? &*found : &find_field(fields, name);
    } catch (const Error& error) {
      throw UsageError(fmt::format("--over: {}", error.what()));
    }
    if (!is_picture_field(*field)) throw UsageError(fmt::format("--over: {} makes no pictures", field->flag));
    std::string_view rest = std::string_view(text).substr(equals + 1);
    const char separator = rest.find(';') == rest.npos ? ',' : ';';
    for (bool more = true; more;) {
      const size_t end = std::min(rest.find(separator), rest.size());
      values.emplace_back(rest.substr(0, end));
      more = end < rest.size();
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (values.size() > kMostValues) throw UsageError(fmt::format("--over: expected at most {} values", kMostValues));
  }

  void set(GenerateOptions& options, const std::string& value) const {
    try {
      field->set(&options, check_value(*field, parse_value(*field, value)));
    } catch (const Error& error) {
      throw UsageError(fmt::format("--over: {}", error.what()));
    }
  }
};

/// Pictures in columns on a white sheet, each column from the top.
Image sheet(const std::vector<std::vector<Image>>& columns) {
  Image sheet;
  int64_t height = 0;
  for (const auto& column : columns) {
    int64_t widest = 0, sum = 0;
    for (const Image& image : column) {
      widest = std::max(widest, image.width);
      sum += image.height + (sum > 0 ? kGap : 0);
    }
    sheet.width += widest + (sheet.width > 0 ? kGap : 0);
    height = std::max(height, sum);
  }
  sheet.height = height;
  sheet.pixels.assign(static_cast<size_t>(3 * sheet.width * sheet.height), 255);
  int64_t left = 0;
  for (const auto& column : columns) {
    int64_t top = 0, widest = 0;
    for (const Image& image : column) {
      for (int64_t y = 0; y < image.height; ++y) {
        std::copy_n(image.pixels.begin() + 3 * y * image.width, 3 * image.width,
                    sheet.pixels.begin() + 3 * ((top + y) * sheet.width + left));
      }
      top += image.height + kGap;
      widest = std::max(widest, image.width);
    }
    left += widest + kGap;
  }
  return sheet;
}

class SweepCommand {
 public:
  explicit SweepCommand(CLI::App& app)
      : prompt_(app),
        output_(app),
        console_(app),
        model_(app),
        pictures_(app, /*has_preview=*/false),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model")),
        encoder_(app),
        generate_flags_(OptionFlags::of<GenerateOptions>(app, "Picture", is_picture_field)) {
    over_flag_ = app.add_option("--over", over_, "the setting and its values; semicolons part values that have commas");
    over_flag_->type_name("NAME=VALUE,...")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->group("Prompt");
    app.footer(kSweepExamples);
  }

  int run() {
    const RuntimeConfig settings = runtime_config(model_.config());
    load_ = settings.load;
    load_flags_.apply(load_);
    options_ = settings.generate;
    generate_flags_.apply(options_);
    pictures_.apply(options_, load_);
    encoder_.apply(settings);
    if (over_.empty()) throw UsageError("--over is missing: name a setting and its values");
    if (over_flag_->count() > 1) throw UsageError("--over: expected one setting, as a row has one direction, got more");
    SweptOption over(over_);
    std::vector<GenerateOptions> runs(over.values.size(), options_);
    for (size_t i = 0; i < runs.size(); ++i) over.set(runs[i], over.values[i]);
    const std::string prompt = prompt_.read();
    PictureName name{.index = 1, .seed = options_.seed, .prompt = prompt};
    output_.check({&name, 1}, {});

    const std::filesystem::path model = ModelChoice::resolve(settings, console_);
    InterruptGuard interrupt([this] { console_.note("stopping; Ctrl-C again quits at once"); });
    const ZImagePipeline pipeline = load(model, interrupt.token());
    std::vector<std::vector<Image>> columns;
    Json entries = Json::array();
    bool is_interrupted = false;
    for (size_t i = 0; i < runs.size(); ++i) {
      GenerateResult result;
      try {
        result = generate(pipeline, prompt, runs[i], interrupt.token());
      } catch (const Error& error) {
        if (error.code() != ErrorCode::cancelled || columns.empty()) throw;
        is_interrupted = true;  // what is finished is kept
        break;
      }
      for (const std::string& warning : result.warnings) console_.warn(fmt::format("{}: {}", over.values[i], warning));
      entries.push_back({{"value", to_json(over.field->get(&runs[i]))},
                         {"seeds", result.seeds},
                         {"token_counts", result.token_counts},
                         {"caption_lengths", result.caption_lengths},
                         {"compression_ratios", result.compression_ratios},
                         {"warnings", result.warnings}});
      columns.push_back(std::move(result.images));
    }
    name.seed = seed_ ? seed_ : options_.seed;
    const Image whole = sheet(columns);
    if (is_interrupted)
      console_.note(fmt::format("interrupted: {} of {} columns are done", columns.size(), runs.size()));
    over.values.resize(columns.size());
    tell(over, output_.write(whole, {}, name, 1, console_), entries, is_interrupted);
    return is_interrupted ? kExitInterrupted : 0;
  }

 private:
  ZImagePipeline load(const std::filesystem::path& model, const std::stop_token& stop) const {
    if (!encoder_.is_remote()) return ZImagePipeline::load(model, load_);
    return ZImagePipeline::load(model, load_, encoder_.connect(ModelSources(model, load_), stop));
  }

  /// All runs draw the same noise: a seed that is not given is that of the first one.
  GenerateResult generate(const ZImagePipeline& pipeline, const std::string& prompt, GenerateOptions options,
                          std::stop_token stop) {
    options.stop = stop;
    if (!options.seed) options.seed = seed_;
    GenerateResult result = pipeline.generate(prompt, options);
    if (!seed_ && !result.seeds.empty()) seed_ = result.seeds.front();
    return result;
  }

  void tell(const SweptOption& over, const WrittenPicture& written, const Json& entries, bool is_interrupted) const {
    console_.note(fmt::format("{} from left to right: {}", over.field->flag, fmt::join(over.values, " | ")));
    if (output_.json()) {
      print_json({{"interrupted", is_interrupted},
                  {"path", written.path},
                  {"over", over.field->name},
                  {"columns", entries},
                  {"settings", settings_json(options_, is_picture_field)},
                  {"load", settings_json(load_)}});
    } else if (!output_.to_stdout()) {
      write_stdout(written.path + "\n");
    }
  }

  PromptInput prompt_;
  PictureOutput output_;
  Console console_;
  ModelChoice model_;
  PictureInputs pictures_;
  OptionFlags load_flags_;
  EncoderChoice encoder_;
  OptionFlags generate_flags_;
  std::string over_;
  CLI::Option* over_flag_;
  LoadOptions load_;
  GenerateOptions options_;
  std::optional<uint64_t> seed_;
};

}  // namespace

Action add_sweep(CLI::App& app) {
  return [command = std::make_shared<SweepCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
