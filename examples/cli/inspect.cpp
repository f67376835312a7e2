#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "json_output.hpp"
#include "llmdit/compatibility.hpp"
#include "llmdit/inspect.hpp"
#include "option_flags.hpp"
#include "sizes.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kInspectExamples = R"(Examples:
  llmdit inspect path/to/model
  llmdit inspect lora.safetensors --tensors
  llmdit inspect path/to/text_encoder --transformer path/to/model
  llmdit inspect output.png --json)";

constexpr size_t kLongestValue = 200;  // bytes of a metadata value shown to people

std::string key_value(const std::string& margin, const std::string& key, const std::string& value) {
  const bool is_long = value.size() > kLongestValue;
  return fmt::format("{}  {} = {}{}\n", margin, escaped(key), escaped(value.substr(0, kLongestValue)),
                     is_long ? fmt::format("... ({} bytes)", value.size()) : "");
}

std::string picture_lines(const std::string& margin, const ImageInfo& picture) {
  std::string out = fmt::format("{}  {}, {} x {} pixels, {}{} of {} bits{}\n", margin,
                                image_format_name(picture.format), picture.width, picture.height, picture.color,
                                picture.has_alpha ? " and alpha" : "", picture.bit_depth,
                                picture.orientation == 1 ? "" : fmt::format(", orientation {}", picture.orientation));
  for (const auto& [keyword, text] : picture.text) out += key_value(margin, keyword, text);
  return out;
}

std::string tensor_lines(const std::string& margin, const std::vector<TensorInfo>& tensors) {
  std::string out;
  for (const TensorInfo& tensor : tensors) {
    const bool is_renamed = tensor.becomes != std::vector{tensor.name};
    const std::string place = is_renamed ? fmt::format(" -> {}", fmt::join(tensor.becomes, ", ")) : "";
    out += fmt::format("{}  {} {} [{}] {}{}\n", margin, escaped(tensor.name), tensor.dtype,
                       fmt::join(tensor.shape, ", "), bytes_text(tensor.bytes), tensor.becomes.empty() ? "" : place);
  }
  return out;
}

std::string some_of(const std::string& margin, const std::string& title, const std::vector<std::string>& lines,
                    bool all) {
  constexpr size_t shown = 5;
  if (lines.empty()) return "";
  std::string out = fmt::format("{}    {} {}:\n", margin, lines.size(), title);
  for (size_t i = 0; i < lines.size() && (all || i < shown); ++i)
    out += fmt::format("{}      {}\n", margin, escaped(lines[i]));
  if (!all && lines.size() > shown) out += fmt::format("{}      ... (--tensors lists all)\n", margin);
  return out;
}

std::string load_lines(const std::string& margin, const ComponentInfo& load, bool all) {
  std::string out = fmt::format("{}  {} as {}: {}", margin, load.problems.empty() ? "loads" : "does not load",
                                load.component, load.model);
  out += load.sizes.empty() ? "\n" : fmt::format(", {}\n", load.sizes);
  return out + some_of(margin, "problems", load.problems, all) +
         some_of(margin, "tensors without a place in the model", load.unused, all);
}

std::string listing(const FileInfo& info, bool with_tensors, size_t depth = 0) {
  const std::string margin(2 * depth, ' ');
  const std::filesystem::path name = depth == 0 ? info.path : info.path.filename();
  std::string out = fmt::format("{}{}: {}{}{}\n", margin, escaped(name.string()), file_kind_name(info.kind),
                                info.model.empty() ? "" : ", ", escaped(info.model));
  for (const auto& [key, value] : info.metadata) out += key_value(margin, key, value);
  for (const auto& [dtype, summary] : summarize(info.tensors)) {
    out += fmt::format("{}  {} tensors of {}, {} elements, {}\n", margin, summary.tensors, dtype, summary.elements,
                       bytes_text(summary.bytes));
  }
  if (info.kind == FileKind::picture) out += picture_lines(margin, info.picture);
  for (const ComponentInfo& load : info.loads) out += load_lines(margin, load, with_tensors);
  if (with_tensors) out += tensor_lines(margin, info.tensors);
  for (const FileInfo& component : info.components) out += listing(component, with_tensors, depth + 1);
  return out;
}

std::string compatibility_lines(const CompatibilityReport& report) {
  std::string out =
      fmt::format("  {} as the transformer's text encoder{}\n", report.compatible ? "can serve" : "cannot serve",
                  report.model_name.empty() ? "" : ": " + report.model_name);
  for (const std::string& error : report.errors) out += fmt::format("    {}\n", escaped(error));
  for (const std::string& warning : report.warnings) out += fmt::format("    {}\n", escaped(warning));
  return out;
}

class InspectCommand {
 public:
  explicit InspectCommand(CLI::App& app) : json_(app) {
    // A list that takes what comes would take "[a, b]" for two paths; one that waits for more than ever come does not.
    constexpr int kMoreThanEver = 1 << 20;
    app.add_option(
           "PATH",
           [this](const CLI::results_t& given) {
             paths_ = given;
             return true;
           },
           "weights, tokenizers, pictures, or folders of them")
        ->group("Files")
        ->expected(kMoreThanEver)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_flag("--tensors", with_tensors_, "list every tensor")->group("Output");
    add_text_flag(app, "--transformer", transformer_, "PATH",
                  "say whether each path can be this transformer's text encoder")
        ->group("Output");
    app.footer(kInspectExamples);
  }

  /// Goes on after a path that fails; the exit code is that of the first one.
  int run() const {
    if (paths_.empty()) throw UsageError("a path is missing: name the files or folders to look into");
    int exit_code = 0;
    Json files = Json::array();
    for (const std::string& path : paths_) {
      const std::optional<FileInfo> info = try_inspect(path, exit_code);
      if (!info) continue;
      std::optional<CompatibilityReport> report;
      if (!transformer_.empty()) report = check_compatibility(path, transformer_);
      if (json_.given()) {
        files.push_back(Json::parse(to_json(*info, with_tensors_)));
        if (report) files.back()["compatibility"] = Json::parse(to_json(*report));
      } else {
        write_stdout(listing(*info, with_tensors_) + (report ? compatibility_lines(*report) : ""));
      }
    }
    if (json_.given()) print_json({{"files", files}});
    return exit_code;
  }

 private:
  static std::optional<FileInfo> try_inspect(const std::string& path, int& exit_code) {
    try {
      return inspect(path);
    } catch (...) {
      const Failure failure = describe_failure(std::current_exception());
      Console().error(failure.message);
      if (exit_code == 0) exit_code = failure.exit_code;
      return std::nullopt;
    }
  }

  std::vector<std::string> paths_;
  bool with_tensors_ = false;
  std::string transformer_;
  JsonFlag json_;
};

}  // namespace

Action add_inspect(CLI::App& app) {
  return [command = std::make_shared<InspectCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
