#include "llmdit/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "console.hpp"
#include "exit_codes.hpp"
#include "json_output.hpp"
#include "model_choice.hpp"
#include "option_flags.hpp"

namespace llmdit::cli {
namespace {

constexpr const char* kConfigExamples = R"(Examples:
  llmdit config --print
  llmdit config --print --profile low_vram --steps 4      # flags of generate count as there
  llmdit config --check config.toml
  llmdit config --example > ~/.config/llmdit/config.toml)";

/// One setting as it is in force.
struct InForce {
  const Setting* setting;
  OptionValue value;
  std::string origin;
};

std::vector<InForce> in_force(const Config& config) {
  const RuntimeConfig runtime = runtime_config(config);
  std::vector<InForce> list;
  for (const Setting& setting : settings()) {
    const ConfigEntry* entry = config.find(setting.key);
    list.push_back({&setting, setting.get(runtime), entry ? entry->origin : "built-in"});
  }
  return list;
}

std::string shown(const OptionValue& value) {
  const std::string text = to_toml(value);
  return text.empty() ? "(not given)" : text;
}

std::string listing(const std::vector<InForce>& list) {
  size_t key_columns = 0, value_columns = 0;
  for (const InForce& item : list) {
    key_columns = std::max(key_columns, item.setting->key.size());
    value_columns = std::max(value_columns, std::min<size_t>(shown(item.value).size(), 40));
  }
  std::string out;
  for (const InForce& item : list) {
    out += fmt::format("{:<{}}  {:<{}}  {}\n", item.setting->key, key_columns, shown(item.value), value_columns,
                       item.origin);
  }
  return out;
}

Json document(const std::vector<InForce>& list) {
  Json entries = Json::array();
  for (const InForce& item : list) {
    entries.push_back({{"key", item.setting->key},
                       {"value", to_json(item.value)},
                       {"origin", item.origin},
                       {"environment", item.setting->environment},
                       {"flag", "--" + std::string(item.setting->field->flag)}});
  }
  return {{"settings", entries}};
}

Json remarks_json(const std::vector<ConfigRemark>& remarks) {
  Json list = Json::array();
  for (const ConfigRemark& remark : remarks) {
    list.push_back({{"file", remark.file}, {"line", remark.line}, {"column", remark.column}, {"text", remark.text}});
  }
  return list;
}

class ConfigCommand {
 public:
  explicit ConfigCommand(CLI::App& app)
      : json_(app),
        console_(app),
        model_(app),
        // Flags of other commands are understood, so that a run can be asked about; their help has them. What
        // generate calls like rewrite is generate's, and --rewriter-seed the other.
        flags_{
            OptionFlags::of<LoadOptions>(app, ""),          OptionFlags::of<GenerateOptions>(app, "", is_setting_field),
            OptionFlags::of<RemoteEncoderOptions>(app, ""), OptionFlags::of<RewriteOptions>(app, ""),
            OptionFlags::of<RewriterModelOptions>(app, ""), OptionFlags::of<EncoderServerOptions>(app, "")} {
    constexpr const char* group = "What to do";
    app.add_flag("--print", print_, "every setting, its value, and what gave it that value")->group(group);
    add_text_flag(app, "--check", checked_, "FILE", "tell every mistake of a file, with line and column")->group(group);
    app.add_flag("--example", example_, "write a file with every setting and its help")->group(group);
    app.footer(kConfigExamples);
  }

  int run() const {
    if (print_ + example_ + !checked_.empty() != 1) throw UsageError("expected one of --print, --check and --example");
    if (example_) write_stdout(config_example());
    if (print_) print();
    return checked_.empty() ? 0 : check();
  }

 private:
  static bool is_setting_field(const OptionField& field) {
    return std::ranges::find(settings(), &field, &Setting::field) != settings().end();
  }

  void print() const {
    Config config = model_.config();
    for (const OptionFlags& flags : flags_) flags.overlay(config);
    const std::vector<InForce> list = in_force(config);
    json_.given() ? print_json(document(list)) : write_stdout(listing(list));
  }

  int check() const {
    const ConfigReport report = check_config(checked_);
    const bool is_good = report.errors.empty();
    if (json_.given()) {
      print_json({{"file", checked_},
                  {"profiles", report.profiles},
                  {"errors", remarks_json(report.errors)},
                  {"notes", remarks_json(report.notes)}});
    } else {
      for (const ConfigRemark& remark : report.errors) write_stdout(to_string(remark) + "\n");
      for (const ConfigRemark& remark : report.notes) console_.note(to_string(remark));
      const size_t count = is_good ? report.profiles.size() : report.errors.size();
      console_.note(fmt::format("{}: {}{} {}{}", checked_, is_good ? "no mistakes in " : "", count,
                                is_good ? "profile" : "mistake", count == 1 ? "" : "s"));
    }
    return is_good ? 0 : kExitUsage;
  }

  JsonFlag json_;
  Console console_;
  ModelChoice model_;
  std::vector<OptionFlags> flags_;
  bool print_ = false, example_ = false;
  std::string checked_;
};

}  // namespace

Action add_config(CLI::App& app) {
  return [command = std::make_shared<ConfigCommand>(app)] { return command->run(); };
}

}  // namespace llmdit::cli
