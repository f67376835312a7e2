#include "pipeline/vl_tokens.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/option_table.hpp"
#include "conditioning/names.hpp"
#include "pipeline/vl_names.hpp"

namespace llmdit {

namespace {

using Options = VLExtractOptions;

constexpr OptionField extract_fields[] = {
    field<Options, "hidden_layer", &Options::hidden_layer>(
        {.section = "vl",
         .help = "state taken: 0 embeddings, k after block k, -1 normed last",
         .is_fine_point = true,
         .minimum = -1000,
         .maximum = 1000}),
    field<Options, "token_selection", &Options::token_selection>(
        {.section = "vl",
         .help = "rows taken: all, the picture's with or without its markers, or the others",
         .is_fine_point = true}),
    field<Options, "system_prompt", &Options::system_prompt>(
        {.section = "vl", .help = "text of a system turn before the picture", .is_fine_point = true}),
    field<Options, "force_think_block", &Options::force_think_block>(
        {.section = "vl",
         .help = "an empty think block at the end; default yes, but for Thinking models",
         .alias = "enable-thinking",
         .is_fine_point = true}),
    field<Options, "scale_to_text", &Options::scale_to_text>(
        {.section = "vl", .help = "bring the rows to the scale of the text encoder's", .is_fine_point = true}),
    field<Options, "target_std", &Options::target_std>({.section = "vl",
                                                        .help = "deviation to scale to; default that of the text",
                                                        .is_fine_point = true,
                                                        .minimum = 1e-6,
                                                        .maximum = 1e6}),
    field<Options, "normalization_mode", &Options::normalization_mode>(
        {.section = "vl",
         .help = "scale by one factor, by column (needs statistics), or half and half",
         .is_fine_point = true}),
    field<Options, "outlier_masking", &Options::outlier_masking>(
        {.section = "vl",
         .help = "what is done with outlier columns of the picture's rows (needs statistics)",
         .is_fine_point = true}),
    field<Options, "outlier_threshold", &Options::outlier_threshold>(
        {.section = "vl",
         .help = "deviation over the text's that makes an outlier",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1e6}),
};

}  // namespace

template <>
std::span<const OptionField> option_fields<VLExtractOptions>() {
  return extract_fields;
}

std::string_view token_selection_name(VLTokenSelection selection) noexcept { return enum_name(selection); }
std::string_view normalization_name(VLNormalization mode) noexcept { return enum_name(mode); }

namespace vl_tokens {
namespace {

const ReferenceStatistics& statistics_for(const VLExtractOptions& options, std::string_view what) {
  check(options.statistics.has_value(), what,
        "expected the statistics of the text encoder, got none; `llmdit encode --statistics` makes them from your own "
        "prompts");
  return *options.statistics;
}

/// A copy of the states with the outliers of the picture's rows treated. The statistics of other rows would hide them.
at::Tensor mask(const at::Tensor& states, const Range& range, const VLExtractOptions& options, VLExtraction& result) {
  const ReferenceStatistics& statistics = statistics_for(options, "outlier_masking");
  const int64_t first = range->start + 1, count = range->end - first;
  check(count >= 2, "outlier_masking", "expected at least two image tokens, got {}", count);
  const MaskedEmbeddings masked = mask_outlier_dimensions(states.narrow(0, first, count), statistics,
                                                          options.outlier_threshold, options.outlier_masking);
  result.masked_dimensions = masked.info.masked_dimensions;
  result.masked_dim_ratios = masked.info.ratios;
  at::Tensor changed = states.clone();
  changed.narrow(0, first, count).copy_(masked.embeddings);
  return changed;
}

at::Tensor select(const at::Tensor& states, const Range& range, VLTokenSelection selection) {
  if (selection == VLTokenSelection::all) return states;
  const int64_t start = range->start, end = range->end, rows = states.size(0);
  switch (selection) {
    case VLTokenSelection::image_only:
      return states.narrow(0, start, end - start + 1);
    case VLTokenSelection::image_only_no_markers:
      return states.narrow(0, start + 1, end - start - 1);
    default:
      return at::cat({states.narrow(0, 0, start), states.narrow(0, end + 1, rows - end - 1)});
  }
}

double deviation(const at::Tensor& rows) { return rows.numel() > 1 ? rows.std().item<double>() : 0; }

at::Tensor scale(const at::Tensor& rows, const VLExtractOptions& options, std::vector<std::string>& warnings) {
  if (!options.scale_to_text) return rows;
  switch (options.normalization_mode) {
    case VLNormalization::per_dim:
      return normalize_per_dimension(rows, statistics_for(options, "normalization_mode"));
    case VLNormalization::hybrid:
      return normalize_hybrid(rows, statistics_for(options, "normalization_mode"), 0.5, &warnings);
    default:
      return scale_embeddings(
          rows, options.target_std.value_or(options.statistics ? options.statistics->global_std : text_embedding_std),
          &warnings);
  }
}

}  // namespace

Range find_picture(std::span<const int64_t> input_ids, const Qwen3VLConfig& config) {
  const auto end = std::ranges::find(input_ids, config.vision_end_token_id);
  if (end == input_ids.end()) return std::nullopt;
  const auto before = input_ids.first(static_cast<size_t>(end - input_ids.begin()));
  const auto start = std::find(before.rbegin(), before.rend(), config.vision_start_token_id);
  if (start == before.rend()) return std::nullopt;
  return Markers{.start = before.rend() - start - 1, .end = end - input_ids.begin()};
}

void read_states(const at::Tensor& states, const Range& range, const VLExtractOptions& options, VLExtraction& result) {
  const bool masks = options.outlier_masking != OutlierMode::none;
  check(range || (options.token_selection == VLTokenSelection::all && !masks), "token_selection",
        "expected the markers <|vision_start|> and <|vision_end|> among the tokens, found none");
  at::Tensor rows = masks ? mask(states, range, options, result) : states;
  rows = select(rows, range, options.token_selection);
  result.original_std = deviation(rows);
  result.embeddings = scale(rows, options, result.warnings).contiguous();
  result.num_tokens = rows.size(0);
  result.scaled_std = deviation(result.embeddings);
  if (options.scale_to_text && result.original_std > 0) result.scale_factor = result.scaled_std / result.original_std;
}

}  // namespace vl_tokens
}  // namespace llmdit
