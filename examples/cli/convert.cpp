#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "json_output.hpp"
#include "llmdit/convert.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"
#include "sizes.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kConvertExamples = R"(Examples:
  llmdit convert model/transformer z-image.safetensors --layout original
  llmdit convert model/transformer z-image-q8_0.gguf --quantization q8_0
  llmdit convert qwen_3_4b.safetensors encoder-int4.safetensors --quantization int4)";

class ConvertCommand {
 public:
  explicit ConvertCommand(CLI::App& app)
      : console_(app), json_(app), flags_(OptionFlags::of<ConvertOptions>(app, "Conversion")) {
    app.add_option("INPUT", input_, "weights of one component: a file, folder, or hub id")->group("Files");
    app.add_option("OUTPUT", output_, "file to write: .safetensors or .gguf")->group("Files");
    app.add_flag("--force", force_, "replace a file that is there")->group("Output");
    app.footer(kConvertExamples);
  }

  void run() {
    if (input_.empty() || output_.empty()) throw UsageError("expected two paths: what to read and what to write");
    ConvertOptions options;
    flags_.apply(options);
    std::error_code ignored;
    if (!force_ && std::filesystem::exists(output_, ignored))
      throw UsageError(fmt::format("{} is there already; --force replaces it", output_));
    check_place(output_, "OUTPUT");
    const ConvertReport report = convert_weights(input_, output_, options);
    for (const std::string& warning : report.warnings) console_.warn(warning);
    if (json_.given()) {
      print_json({{"output", output_},
                  {"component", report.component},
                  {"tensors", report.tensors},
                  {"quantized", report.quantized},
                  {"bytes", report.bytes},
                  {"warnings", report.warnings},
                  {"settings", settings_json(options)}});
      return;
    }
    console_.note(fmt::format("{}: {} tensors, {} of them quantised, {}", report.component, report.tensors,
                              report.quantized, bytes_text(report.bytes)));
    write_stdout(output_ + "\n");
  }

 private:
  Console console_;
  JsonFlag json_;
  OptionFlags flags_;
  std::string input_, output_;
  bool force_ = false;
};

}  // namespace

Action add_convert(CLI::App& app) {
  return [command = std::make_shared<ConvertCommand>(app)] {
    command->run();
    return 0;
  };
}

}  // namespace llmdit::cli
