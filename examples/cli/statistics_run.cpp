#include "statistics_run.hpp"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "exit_codes.hpp"
#include "json_output.hpp"
#include "llmdit/reference_statistics.hpp"
#include "option_flags.hpp"
#include "output_files.hpp"
#include "prompt_input.hpp"

namespace llmdit::cli {
namespace {

constexpr size_t shown_columns = 4;

std::vector<std::string> read_prompts(const std::string& path) {
  std::vector<std::string> prompts = prompt_lines(read_text(path, "prompts-file"));
  if (prompts.empty()) throw UsageError(fmt::format("--prompts-file: {} has no prompts, one a line", path));
  return prompts;
}

struct Column {
  int64_t dim;
  double std;
};

/// The columns that vary most, the greatest first.
std::vector<Column> widest_columns(const ReferenceStatistics& statistics) {
  const at::Tensor std = statistics.per_dim_std.contiguous();
  std::vector<Column> columns;
  for (int64_t dim = 0; dim < std.numel(); ++dim) columns.push_back({dim, std.const_data_ptr<float>()[dim]});
  const size_t shown = std::min(shown_columns, columns.size());
  std::ranges::partial_sort(columns, columns.begin() + static_cast<std::ptrdiff_t>(shown), std::ranges::greater{},
                            &Column::std);
  columns.resize(shown);
  return columns;
}

std::string line(const std::string& path, const ReferenceStatistics& s) {
  std::vector<std::string> columns;
  for (const Column& column : widest_columns(s)) columns.push_back(fmt::format("{} ({:.4g})", column.dim, column.std));
  return fmt::format("{}: {} prompts, {} tokens, [{}], mean {:.4g}, std {:.4g}, widest columns {}\n", path,
                     s.num_prompts, s.num_tokens, s.hidden_dim(), s.global_mean, s.global_std,
                     fmt::join(columns, ", "));
}

Json document(const std::string& path, const ReferenceStatistics& s) {
  Json columns = Json::array();
  for (const Column& column : widest_columns(s)) columns.push_back({{"dim", column.dim}, {"std", column.std}});
  return {{"output", path},
          {"model", s.model},
          {"layer", s.hidden_layer ? Json(*s.hidden_layer) : Json()},
          {"num_prompts", s.num_prompts},
          {"num_tokens", s.num_tokens},
          {"hidden_dim", s.hidden_dim()},
          {"global_mean", s.global_mean},
          {"global_std", s.global_std},
          {"widest_columns", columns}};
}

}  // namespace

StatisticsRun::StatisticsRun(CLI::App& app)
    : output_flag_(add_text_flag(app, "--statistics", output_, "FILE",
                                 "write mean and deviation per column over many prompts, .npz or .json")),
      prompts_flag_(add_text_flag(app, "--prompts-file", prompts_file_, "FILE",
                                  "the prompts of --statistics, one a line, - is stdin; without it some of our own")) {
  output_flag_->group("Output");
  prompts_flag_->group("Output");
}

void StatisticsRun::prepare() {
  if (!is_wanted()) {
    if (prompts_flag_->count() > 0) throw UsageError("--prompts-file goes with --statistics FILE");
    return;
  }
  const std::string suffix = std::filesystem::path(output_).extension();
  if (suffix != ".npz" && suffix != ".json") {
    throw UsageError(fmt::format("--statistics: expected a file that ends in .npz or .json, got \"{}\"", output_));
  }
  check_place(output_, "--statistics");
  std::error_code ignored;
  if (prompts_flag_->count() > 0 && std::filesystem::equivalent(output_, prompts_file_, ignored)) {
    throw UsageError(fmt::format("--statistics: {} is the file of the prompts; name another", output_));
  }
  prompts_ = prompts_flag_->count() > 0 ? read_prompts(prompts_file_) : statistics_prompts();
}

void StatisticsRun::run(const ZImageTextEncoder& encoder, const std::string& model, const ChatOptions& chat,
                        const EncodeOptions& options, bool json, const Console& console) const {
  if (prompts_flag_->count() == 0) {
    console.note(fmt::format("{} prompts of our own; --prompts-file gives others", prompts_.size()));
  }
  StatisticsAccumulator accumulator;
  for (const std::string& prompt : prompts_) {
    const std::vector<std::string> texts = {format_prompt(prompt, chat)};
    accumulator.add(encoder.encode(texts, options).embeddings.front());
  }
  ReferenceStatistics statistics = accumulator.result();
  statistics.model = model;
  if (options.layer_weights.empty() && options.layer_spans.empty()) statistics.hidden_layer = options.hidden_layer;
  const bool replaced = would_replace(output_);
  create_parent_folders(output_);
  statistics.save(output_);
  if (replaced) console.warn(fmt::format("replaced the file {}", output_));
  json ? print_json(document(output_, statistics)) : write_stdout(line(output_, statistics));
}

}  // namespace llmdit::cli
