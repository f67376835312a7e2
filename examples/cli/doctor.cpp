#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "encoder_choice.hpp"
#include "exit_codes.hpp"
#include "json_output.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/config.hpp"
#include "llmdit/demo_model.hpp"
#include "llmdit/inspect.hpp"
#include "llmdit/memory_plan.hpp"
#include "llmdit/model_sources.hpp"
#include "llmdit/prompt_template.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "model_choice.hpp"
#include "plan_report.hpp"
#include "sizes.hpp"
#include "version_report.hpp"

extern char** environ;

namespace llmdit::cli {
namespace {

constexpr const char* kDoctorExamples = R"(Examples:
  llmdit doctor
  llmdit doctor --profile low_vram --json > report.json)";

/// One thing looked at: what there is to tell, or what is wrong with it.
struct Finding {
  std::string name;
  bool ok = true;
  std::string text;
};

std::string system_text() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  std::string release;
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("PRETTY_NAME=")) release = ", " + line.substr(12);
  }
  return fmt::format("{} {} {}{}", names.sysname, names.release, names.machine, release);
}

std::string memory_text() {
  std::ifstream file("/proc/meminfo");
  uint64_t total = 0, available = 0;
  for (std::string line; std::getline(file, line);) {
    const auto kilobytes = [&] { return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024; };
    if (line.starts_with("MemTotal:")) total = kilobytes();
    if (line.starts_with("MemAvailable:")) available = kilobytes();
  }
  return fmt::format("{}, of which {} can be taken", bytes_text(total), bytes_text(available));
}

std::string devices_text() {
  std::vector<std::string> lines;
  for (const DeviceInfo& device : available_devices())
    lines.push_back(fmt::format("{}: {}; {}", device.name, device.description, fmt::join(device.features, " ")));
  return fmt::format("{}; products compiled for {}; {} threads", fmt::join(lines, " | "), cpu_kernels(),
                     std::thread::hardware_concurrency());
}

/// Variables that change what the program does; what could be a secret is only said to be there.
std::string environment_text() {
  std::vector<std::string> found;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const bool counts = name.starts_with("LLMDIT_") || name.starts_with("HF_") || name.starts_with("OMP_") ||
                        name.starts_with("MKL_") || name.starts_with("XDG_C") || name.starts_with("CUDA_");
    if (!counts) continue;
    const bool is_secret = name.find("KEY") != name.npos || name.find("TOKEN") != name.npos;
    found.push_back(is_secret ? fmt::format("{}=(hidden)", name) : escaped(text));
  }
  return found.empty() ? "nothing that counts is set" : fmt::format("{}", fmt::join(found, " "));
}

std::string settings_text(const Config& config, const std::optional<std::filesystem::path>& file) {
  std::vector<std::string> lines;
  for (const ConfigEntry& entry : config.entries())
    lines.push_back(fmt::format("{} = {} by {}", entry.key, to_toml(entry.value), entry.origin));
  return fmt::format("{}; {}", file ? fmt::format("file {}", file->string()) : "no file",
                     lines.empty() ? "everything built in" : fmt::format("{}", fmt::join(lines, " | ")));
}

/// Where the parts of the model lie. Throws for one that is missing or would not load.
std::string model_text(const RuntimeConfig& settings) {
  const std::filesystem::path path = settings.model.empty() ? demo_model_path() : std::filesystem::path(settings.model);
  const ModelSources sources(path, settings.load);
  std::vector<std::filesystem::path> files = {sources.transformer(), sources.vae()};
  std::vector<std::string> parts;
  if (settings.encoder.server.url.empty()) {  // else another machine has them
    parts.push_back(sources.tokenizer().string());
    files.insert(files.begin(), sources.text_encoder());
  }
  for (const std::filesystem::path& part : files) {
    parts.push_back(part.string());
    for (const ComponentInfo& load : inspect(part).loads) {
      if (!load.problems.empty())
        throw Error(ErrorCode::unsupported, fmt::format("[{}] {}", part.string(), load.problems.front()));
    }
  }
  return fmt::format("{}", fmt::join(parts, " | "));
}

/// How many templates there are. Throws for one that is damaged.
std::string templates_text() {
  const std::filesystem::path own = user_templates_path();
  return fmt::format("{} in {}{}", TemplateRegistry::standard().size(), builtin_templates_path().string(),
                     own.empty() ? "" : fmt::format(" and {}", own.string()));
}

/// What a picture would take with these settings. Throws where this machine has not got it.
std::string plan_text(const RuntimeConfig& settings) {
  const std::filesystem::path path = settings.model.empty() ? demo_model_path() : std::filesystem::path(settings.model);
  const MemoryPlan plan =
      plan_memory(path, settings.load, settings.generate, {}, {.encodes_here = settings.encoder.server.url.empty()});
  if (!plan.fits) throw Error(ErrorCode::out_of_memory, fmt::format("[plan] {}", plan_line(plan)));
  return plan_line(plan);
}

/// What a server's text encoder answers. Throws for one that does not, or that answers something else.
std::string encoder_text(const RuntimeConfig& settings) {
  if (settings.encoder.server.url.empty()) return "the model's own; no server is set";
  RemoteEncoderOptions options = settings.encoder;
  options.server.api_key = encoder_key("");
  const std::filesystem::path path = settings.model.empty() ? demo_model_path() : std::filesystem::path(settings.model);
  const RemoteTextEncoder encoder(options, RemoteEncoderModel::of(ModelSources(path, settings.load)));
  const std::vector<std::string> texts = {format_prompt("a red circle", settings.generate.chat)};
  const EncodingOutput output =
      encoder.encode(texts, {.hidden_layer = settings.generate.hidden_layer, .layer_weights = {}, .layer_spans = {}});
  return fmt::format("{} answers with [{}]", options.server.url, fmt::join(output.embeddings.front().sizes(), ", "));
}

/// Draws a red circle on white, and looks whether it is one.
std::string demo_text() {
  const auto start = std::chrono::steady_clock::now();
  const ZImagePipeline pipeline = ZImagePipeline::load(demo_model_path());
  const GenerateResult result =
      pipeline.generate("a red circle on a white background", {.num_inference_steps = 8, .seed = 7});
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  const Image& picture = result.images.front();
  const auto pixel = [&](int64_t x, int64_t y) {
    return &picture.pixels[static_cast<size_t>((y * picture.width + x) * 3)];
  };
  const uint8_t* centre = pixel(picture.width / 2, picture.height / 2);
  const uint8_t* corner = pixel(2, 2);
  const bool is_red = centre[0] > 150 && centre[1] < 100 && centre[2] < 100;
  const bool is_white = corner[0] > 200 && corner[1] > 200 && corner[2] > 200;
  if (!is_red || !is_white) {
    throw Error(ErrorCode::internal,
                fmt::format("expected a red circle on white, got {} in the centre and {} in a corner",
                            fmt::join(centre, centre + 3, ","), fmt::join(corner, corner + 3, ",")));
  }
  return fmt::format("a red circle on white, {} x {} in {:.2f} s with loading", picture.width, picture.height,
                     spent.count());
}

class DoctorCommand {
 public:
  explicit DoctorCommand(CLI::App& app) : json_(app), console_(app), model_(app) { app.footer(kDoctorExamples); }

  int run() {
    look("version", [] { return version_line().substr(0, version_line().size() - 1); });
    look("system", system_text);
    look("memory", memory_text);
    look("devices", devices_text);
    look("environment", environment_text);
    look("settings", [this] {
      const Config config = model_.config();
      settings_ = runtime_config(config);
      return settings_text(config, model_.config_file());
    });
    look("model", [this] { return model_text(settings_); });
    look("templates", templates_text);
    look("plan", [this] { return plan_text(settings_); });
    look("encoder", [this] { return encoder_text(settings_); });
    look("demo", demo_text);
    return json_.given() ? print_document() : print_listing();
  }

 private:
  void look(const std::string& name, const std::function<std::string()>& at) {
    try {
      findings_.push_back({name, true, at()});
    } catch (...) {
      const Failure failure = describe_failure(std::current_exception());
      if (worst_ == 0) worst_ = failure.exit_code;
      findings_.push_back({name, false, failure.message});
    }
  }

  int print_listing() const {
    for (const Finding& finding : findings_)
      write_stdout(fmt::format("{:<6} {:<12} {}\n", finding.ok ? "ok" : "FAILED", finding.name, finding.text));
    console_.note(worst_ == 0 ? "all is well" : "something is wrong; the lines above belong into a report of it");
    return worst_;
  }

  int print_document() const {
    Json list = Json::array();
    for (const Finding& finding : findings_)
      list.push_back({{"name", finding.name}, {"ok", finding.ok}, {"text", finding.text}});
    print_json({{"build", version_document()}, {"findings", list}});
    return worst_;
  }

  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  RuntimeConfig settings_;
  std::vector<Finding> findings_;
  int worst_ = 0;
};

}  // namespace

Action add_doctor(CLI::App& app) {
  return [command = std::make_shared<DoctorCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
