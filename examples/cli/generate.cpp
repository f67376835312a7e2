#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "dry_run.hpp"
#include "embedding_input.hpp"
#include "encoder_choice.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "generate_report.hpp"
#include "help.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "llmdit/version.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "picture_inputs.hpp"
#include "picture_output.hpp"
#include "progress_bar.hpp"
#include "prompt_batch.hpp"
#include "rerun.hpp"
#include "seed_list.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kGenerateExamples = R"(Examples:
  llmdit generate "a red circle on a white background" --seed 7 -o out/circle.png
  llmdit generate --prompts prompts.txt --seeds 1-4 -o 'out/{prompt}-{seed}.png'
  llmdit generate "a dog" --seed 7 --image cat.png --mask mask.png --mask-feather 16
  llmdit generate "a house" --seed 7 --vl-image painting.png --vl-alpha 0.5)";

class GenerateCommand {
 public:
  explicit GenerateCommand(CLI::App& app)
      : prompts_(app),
        output_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model")),
        generate_flags_(OptionFlags::of<GenerateOptions>(app, "Picture", is_picture_field)),
        inputs_(app),
        embeddings_(app),
        encoder_(app),
        rerun_(app) {
    add_text_flag(app, "--seeds", seeds_, "LIST", "a run for each of these seeds, such as 1,2,5-9")->group("Picture");
    app.add_flag("--dry-run", dry_run_, "resolve and check everything, say what would be done, and stop")
        ->group("Output");
    add_choice_flag(app, "--progress", progress_, {"auto", "json", "none"},
                    "auto: a bar on a terminal; json: events as lines on stderr; none")
        ->group(kFinePoints);
    app.footer(kGenerateExamples);
  }

  void run() {
    if (progress_ == "json") use_event_lines();
    const std::filesystem::path model = read_settings();
    plan_runs();
    if (dry_run_) return tell_plan(model);

    const bool has_bar = !console_.quiet() && progress_ == "auto";
    const Terminal terminal = has_bar ? stderr_terminal() : Terminal{};
    InterruptGuard interrupt([&] {
      if (terminal.interactive) std::fputs("\n", stderr);  // the bar keeps its line, and its next one comes below
      console_.note("stopping after this step; Ctrl-C again quits at once");
    });
    const ZImagePipeline pipeline = load(model, interrupt.token());
    try {
      for (const PlannedRun& planned : runs_)
        documents_.push_back(run_one(pipeline, planned, terminal, interrupt.token()));
    } catch (...) {
      tell_finished(describe_failure(std::current_exception()));
      throw;
    }
    if (!output_.json()) return;
    print_json(runs_.size() == 1 ? documents_.front() : Json{{"interrupted", false}, {"runs", documents_}});
  }

 private:
  /// Everything that flags, environment, files and a picture of --from say. Returns the model's path.
  std::filesystem::path read_settings() {
    config_ = model_.config();
    load_flags_.overlay(config_);
    generate_flags_.overlay(config_);
    encoder_.overlay(config_);
    const RuntimeConfig settings = runtime_config(config_);
    load_ = settings.load;
    options_ = settings.generate;
    if (rerun_.is_asked_for()) {
      rerun_.read(load_, options_);
      load_flags_.apply(load_);
      generate_flags_.apply(options_);
    }
    inputs_.apply(options_, load_);
    encoder_.apply(settings);
    embeddings_.apply(options_, console_);
    if (encoder_.is_asked_for() && !embeddings_.needs_encoder(options_))
      throw UsageError("--encoder-url has no effect: nothing is left to encode; leave one of the flags out");
    rerun_.check_inputs(options_);
    return ModelChoice::resolve(settings, console_);
  }

  /// One without text where embeddings take their place.
  std::vector<std::string> read_prompts() const {
    if (embeddings_.is_given() && prompts_.is_given()) throw UsageError("give a prompt or --embeddings, not both");
    const bool repeats_prompt = rerun_.is_asked_for() && !prompts_.is_given();
    if (!embeddings_.is_given() && !repeats_prompt) return prompts_.read();
    prompts_.check_unused();
    return {embeddings_.is_given() ? "" : rerun_.prompt()};
  }

  /// The prompt of a picture, as far as it is known.
  std::string prompt_of(const PlannedRun& planned, size_t picture) const {
    if (!embeddings_.is_given()) return planned.prompt;
    return embeddings_.prompt(picture / static_cast<size_t>(options_.num_images_per_prompt));
  }

  ZImagePipeline load(const std::filesystem::path& model, const std::stop_token& stop) const {
    if (!embeddings_.needs_encoder(options_)) return ZImagePipeline::load(model, load_, nullptr);
    if (!encoder_.is_remote()) return ZImagePipeline::load(model, load_);
    return ZImagePipeline::load(model, load_, encoder_.connect(ModelSources(model, load_), stop));
  }

  void plan_runs() {
    const std::vector<std::string> prompts = read_prompts();
    const int64_t pictures_each =
        options_.num_images_per_prompt * static_cast<int64_t>(std::max<size_t>(1, embeddings_.count()));
    std::vector<std::optional<uint64_t>> seeds = {options_.seed};
    if (!seeds_.empty() && generate_flags_.is_given("seed")) throw UsageError("give --seed or --seeds, not both");
    if (!seeds_.empty()) {
      if (pictures_each > 1)
        throw UsageError("--seeds has a picture for each seed; --num-images-per-prompt has no place beside it");
      const std::vector<uint64_t> given = parse_seeds(seeds_);
      seeds.assign(given.begin(), given.end());
    }
    std::vector<PictureName> pictures;
    for (const std::string& prompt : prompts) {
      for (const std::optional<uint64_t>& seed : seeds) {
        runs_.push_back({.prompt = prompt, .seed = seed, .pictures = {}});
        for (int64_t i = 0; i < pictures_each; ++i) {
          const auto own = seed ? std::optional(*seed + static_cast<uint64_t>(i)) : std::nullopt;
          pictures.push_back({static_cast<int64_t>(pictures.size()) + 1, own, prompt});
          runs_.back().pictures.push_back(pictures.back());
        }
      }
    }
    picture_count_ = static_cast<int64_t>(pictures.size());
    const std::vector<std::string> sources = {rerun_.path(), inputs_.image(), inputs_.mask(), inputs_.vl_image(),
                                              embeddings_.path()};
    paths_ = output_.check(pictures, sources);
    inputs_.check_preview(sources, paths_);
  }

  void tell_plan(const std::filesystem::path& model) const {
    const bool needs_encoder = embeddings_.needs_encoder(options_);
    if (needs_encoder && encoder_.is_remote()) encoder_.connect(ModelSources(model, load_), {});  // as the run begins
    const DryRun plan{.model = model,
                      .load = load_,
                      .options = options_,
                      .encoder = encoder_.options(),
                      .config = config_,
                      .runs = runs_,
                      .paths = paths_,
                      .has_prompts = !embeddings_.is_given(),
                      .has_encoder = needs_encoder,
                      .encodes_here = needs_encoder && !encoder_.is_remote()};
    const MemoryPlan memory = foresee(plan);
    for (const std::string& warning : memory.warnings) console_.warn(warning);
    output_.json() ? print_json(document(plan, memory)) : write_stdout(listing(plan, memory));
  }

  /// What there is of a run that ends before its end: what is finished stays.
  void tell_finished(const Failure& failure) const {
    const bool is_interrupted = failure.exit_code == kExitInterrupted;
    if (!documents_.empty()) console_.note(fmt::format("{} of {} runs are done", documents_.size(), runs_.size()));
    if (!output_.json() || (documents_.empty() && !is_interrupted)) return;
    print_json({{"interrupted", is_interrupted},
                {"error", failure.message},
                {"planned_runs", runs_.size()},
                {"runs", documents_}});
  }

  /// An event of the run that is at work.
  void print_run_event(const char* event, const PlannedRun& planned, const Json& more) const {
    Json json = {{"event", event},
                 {"run", documents_.size() + 1},
                 {"runs", runs_.size()},
                 {"seed", planned.seed ? Json(*planned.seed) : Json()}};
    json.update(more);
    print_event(json);
  }

  /// Makes the pictures of a run, writes them and returns what --json tells of it.
  Json run_one(const ZImagePipeline& pipeline, const PlannedRun& planned, const Terminal& terminal,
               std::stop_token stop) {
    GenerateOptions options = options_;
    options.seed = planned.seed;
    print_run_event("run", planned, {{"prompt", planned.prompt}, {"steps", schedule_steps(options)}});
    const GenerateResult result = generate(pipeline, planned, options, terminal, stop);
    embeddings_.compare_model(result.model, console_);
    for (const std::string& warning : result.warnings) console_.warn(warning);
    std::vector<WrittenPicture> written;
    for (size_t i = 0; i < result.images.size(); ++i) {
      PictureName name = planned.pictures[i];
      if (i < result.seeds.size()) name.seed = result.seeds[i];
      const ImageText text = picture_parameters(prompt_of(planned, i), options, result, i);
      written.push_back(output_.write(result.images[i], text, name, picture_count_, console_));
      if (i == 0) rerun_.compare(result, text, console_);
      print_run_event("picture", planned, {{"path", written.back().path}, {"seed", result.seeds[i]}});
      if (!output_.json() && !output_.to_stdout()) write_stdout(written.back().path + "\n");
    }
    console_.note(summary(options, result));
    return document_of(pipeline, prompt_of(planned, 0), options, result, written);
  }

  GenerateResult generate(const ZImagePipeline& pipeline, const PlannedRun& planned, GenerateOptions options,
                          const Terminal& terminal, std::stop_token stop) const {
    ProgressBar bar(terminal, documents_.size() + 1, runs_.size(), schedule_steps(options));
    options.stop = stop;
    const AutoencoderKL vae = pipeline.vae();
    options.on_step = [&](const StepInfo& info) {
      inputs_.write_preview(vae, info);
      bar.update(info.step + 1, info.total);
      print_run_event("step", planned, {{"step", info.step + 1}, {"total", info.total}, {"sigma", info.sigma}});
      return stop.stop_requested();
    };
    if (embeddings_.is_given()) return pipeline.generate(std::span<const std::string>(), options);
    return pipeline.generate(planned.prompt, options);
  }

  Json document_of(const ZImagePipeline& pipeline, const std::string& prompt, const GenerateOptions& options,
                   const GenerateResult& result, const std::vector<WrittenPicture>& written) const {
    if (!output_.json()) return nullptr;
    const auto& formatted = embeddings_.is_given() ? embeddings_.formatted_prompts() : result.formatted_prompts;
    return {{"llmdit_version", version()},
            {"interrupted", false},
            {"model", pipeline.path().string()},
            {"prompt", prompt},
            {"image", path_json(inputs_.image())},
            {"mask", path_json(inputs_.mask())},
            {"vl_image", path_json(inputs_.vl_image())},
            {"vl", vl_json(result)},
            {"rerun", rerun_.json()},
            {"embeddings", path_json(embeddings_.path())},
            {"encoder", encoder_.json()},
            {"formatted_prompt", formatted.empty() ? Json() : Json(formatted.front())},
            {"pictures", pictures_json(result, written)},
            {"token_counts", result.token_counts},
            {"caption_lengths", result.caption_lengths},
            {"compression_ratios", result.compression_ratios},
            {"sigmas", json_numbers(result.sigmas)},
            {"reused_steps", result.reused_steps},
            {"warnings", result.warnings},
            {"timings", timings_json(result.timings)},
            {"settings", settings_json(effective_options(options, result), is_picture_field)},
            {"load", settings_json(load_)},
            {"made_with", result.made_with}};
  }

  PromptBatch prompts_;
  PictureOutput output_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags generate_flags_;
  PictureInputs inputs_;
  EmbeddingInput embeddings_;
  EncoderChoice encoder_;
  Rerun rerun_;
  std::string seeds_, progress_ = "auto";
  bool dry_run_ = false;

  Config config_;
  LoadOptions load_;
  GenerateOptions options_;
  std::vector<PlannedRun> runs_;
  std::vector<Json> documents_;  ///< of those that are done
  std::vector<std::filesystem::path> paths_;
  int64_t picture_count_ = 0;
};

}  // namespace

Action add_generate(CLI::App& app) {
  return [command = std::make_shared<GenerateCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
