#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "field_filters.hpp"
#include "json_output.hpp"
#include "llmdit/config.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"
#include "plan_report.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kPlanExamples = R"(Examples:
  llmdit plan "a cat" --model-path ~/Z-Image-Turbo --width 1024 --height 1024
  llmdit plan --profile low_vram --json
  llmdit plan --max-memory 8GB --speed)";

class PlanCommand {
 public:
  explicit PlanCommand(CLI::App& app)
      : json_(app),
        console_(app),
        model_(app),
        load_flags_(OptionFlags::of<LoadOptions>(app, "Model")),
        flags_(OptionFlags::of<GenerateOptions>(app, "Picture", is_picture_field)) {
    app.add_option("prompts", prompts_, "prompts of the run; without any, one of 64 tokens")->type_name("PROMPT");
    app.add_flag("--speed", speed_, "measure a product here, a second or so, and tell the time it would take");
    app.footer(kPlanExamples);
  }

  int run() {
    const RuntimeConfig settings = runtime_config(model_.config());
    LoadOptions load = settings.load;
    load_flags_.apply(load);
    GenerateOptions options = settings.generate;
    flags_.apply(options);
    const MemoryPlan plan = plan_memory(ModelChoice::resolve(settings, console_), load, options, prompts_,
                                        {.encodes_here = settings.encoder.server.url.empty(), .measure_speed = speed_});
    json_.given() ? print_json(plan_document(plan)) : write_stdout(plan_listing(plan));
    return plan.fits ? 0 : exit_code(ErrorCode::out_of_memory);
  }

 private:
  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  OptionFlags load_flags_;
  OptionFlags flags_;
  std::vector<std::string> prompts_;
  bool speed_ = false;
};

}  // namespace

Action add_plan(CLI::App& app) {
  return [command = std::make_shared<PlanCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
