#include "plan_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sizes.hpp"

namespace llmdit::cli {
namespace {

/// "mapped 8.04 GB, own 2.1 MB": only what there is.
std::string kept_text(const ComponentPlan& part) {
  std::vector<std::string> kinds;
  if (part.mapped_bytes > 0) kinds.push_back("mapped " + bytes_text(part.mapped_bytes));
  if (part.copied_bytes > 0) kinds.push_back("own " + bytes_text(part.copied_bytes));
  if (part.streamed_bytes > 0) kinds.push_back("read for each use " + bytes_text(part.streamed_bytes));
  return fmt::format("{}", fmt::join(kinds, ", "));
}

Json component_document(const ComponentPlan& part) {
  return {{"name", part.name},
          {"device", part.device},
          {"file_bytes", part.file_bytes},
          {"mapped_bytes", part.mapped_bytes},
          {"copied_bytes", part.copied_bytes},
          {"streamed_bytes", part.streamed_bytes},
          {"parameters", part.parameters}};
}

Json stage_document(const StagePlan& stage) {
  return {{"name", stage.name},
          {"device", stage.device},
          {"weight_bytes", stage.weight_bytes},
          {"activation_bytes", stage.activation_bytes},
          {"peak_bytes", stage.peak_bytes},
          {"flops", stage.flops},
          {"seconds", stage.seconds ? Json(*stage.seconds) : Json()}};
}

}  // namespace

std::string plan_listing(const MemoryPlan& plan) {
  std::string out = fmt::format("{} x {} pixels, {} {}, {} tokens\n", plan.width, plan.height, plan.batch,
                                plan.batch == 1 ? "picture" : "pictures", fmt::join(plan.token_counts, " + "));
  out += "weights\n";
  for (const ComponentPlan& part : plan.components) {
    out += fmt::format("  {:<13} {:<7} {:>8} in files: {}\n", part.name, part.device, bytes_text(part.file_bytes),
                       kept_text(part));
  }
  out += "stages\n";
  for (const StagePlan& stage : plan.stages) {
    out += fmt::format("  {:<13} {:<7} {:>8} at its peak: weights {}, activations {}; {:.3g} TFLOP", stage.name,
                       stage.device, bytes_text(stage.peak_bytes), bytes_text(stage.weight_bytes),
                       bytes_text(stage.activation_bytes), stage.flops / 1e12);
    out += stage.seconds ? fmt::format(", {:.3g} s or more\n", *stage.seconds) : "\n";
  }
  if (plan.flops_per_second) out += fmt::format("measured here: {:.3g} GFLOP/s\n", *plan.flops_per_second / 1e9);
  out += plan_line(plan) + "\n";
  for (const std::string& warning : plan.warnings) out += "warning: " + warning + "\n";
  return out;
}

Json plan_document(const MemoryPlan& plan) {
  Json components = Json::array(), stages = Json::array();
  for (const ComponentPlan& part : plan.components) components.push_back(component_document(part));
  for (const StagePlan& stage : plan.stages) stages.push_back(stage_document(stage));
  return {{"width", plan.width},
          {"height", plan.height},
          {"batch", plan.batch},
          {"token_counts", plan.token_counts},
          {"components", components},
          {"stages", stages},
          {"process_bytes", plan.process_bytes},
          {"peak_bytes", plan.peak_bytes},
          {"available_bytes", plan.available_bytes},
          {"fits", plan.fits},
          {"flops_per_second", plan.flops_per_second ? Json(*plan.flops_per_second) : Json()},
          {"warnings", plan.warnings}};
}

std::string plan_line(const MemoryPlan& plan) {
  const auto most = std::ranges::max_element(plan.stages, {}, [](const StagePlan& stage) { return stage.peak_bytes; });
  const std::string verdict = plan.fits ? "fits" : "does not fit";
  if (most->device != "cpu") {
    const std::string beside = plan.peak_bytes == 0 ? "" : fmt::format(", {} on the CPU", bytes_text(plan.peak_bytes));
    return fmt::format("peak {} in {} on {}{}: {}", bytes_text(most->peak_bytes), most->name, most->device, beside,
                       verdict);
  }
  return fmt::format("peak {} in {}, of {} that can be taken on the CPU: {}", bytes_text(plan.peak_bytes), most->name,
                     bytes_text(plan.available_bytes), verdict);
}

}  // namespace llmdit::cli
