#include "capi/lists.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// Columns and a number of each, into the lists that the caller gave; either may be NULL.
template <class Columns, class Column, class Ratio>
void copy_columns(const Columns& found, int64_t* columns, double* ratios, Column column, Ratio ratio) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (columns) columns[i] = std::invoke(column, found[i]);
    if (ratios) ratios[i] = std::invoke(ratio, found[i]);
  }
}

}  // namespace

llmdit_status llmdit_layer_statistics(llmdit_layer_info* info, const llmdit_tensor* states) {
  return guarded([&] {
    const char* operation = "layer_statistics";
    const LayerStatistics s = layer_statistics(read_tensor(states, operation));
    copy_struct(info,
                llmdit_layer_info{.struct_size = 0,
                                  .mean = s.mean,
                                  .std = s.std,
                                  .min = s.min,
                                  .max = s.max,
                                  .row_norm_mean = s.row_norm_mean,
                                  .row_norm_min = s.row_norm_min,
                                  .row_norm_max = s.row_norm_max},
                operation);
  });
}

llmdit_status llmdit_layer_outliers(int64_t* columns, double* ratios, size_t* count, const llmdit_tensor* states,
                                    double threshold) {
  return guarded([&] {
    const char* operation = "layer_outliers";
    const auto found = layer_statistics(read_tensor(states, operation), threshold).outliers;
    if (wants_items(count, columns || ratios, found.size(), operation))
      copy_columns(found, columns, ratios, &OutlierDimension::dim, &OutlierDimension::ratio);
  });
}

llmdit_status llmdit_statistics_compute(llmdit_statistics** statistics, const llmdit_tensor* const* embeddings,
                                        size_t count, const char* model, const int64_t* hidden_layer) {
  return guarded([&] {
    const char* operation = "statistics_compute";
    llmdit_statistics*& place = output(statistics, operation);
    ReferenceStatistics computed = ReferenceStatistics::compute(read_tensors(embeddings, count, operation));
    if (model) computed.model = model;
    computed.hidden_layer = read_optional(hidden_layer);
    place = make_handle(llmdit_statistics{std::move(computed)});
  });
}

llmdit_status llmdit_statistics_load(llmdit_statistics** statistics, const char* path) {
  return guarded([&] {
    llmdit_statistics*& place = output(statistics, "statistics_load");
    place = make_handle(llmdit_statistics{ReferenceStatistics::load(read_path(path, "statistics_load"))});
  });
}

llmdit_status llmdit_statistics_save(const llmdit_statistics* statistics, const char* path) {
  return guarded([&] {
    const auto held = borrow(statistics, "statistics_save");
    held->value.save(read_path(path, "statistics_save"));
  });
}

llmdit_status llmdit_statistics_describe(llmdit_statistics_info* info, const llmdit_statistics* statistics) {
  return guarded([&] {
    const auto held = borrow(statistics, "statistics_describe");
    const ReferenceStatistics& value = held->value;
    copy_struct(info,
                llmdit_statistics_info{.struct_size = 0,
                                       .hidden_dim = value.hidden_dim(),
                                       .global_mean = value.global_mean,
                                       .global_std = value.global_std,
                                       .model = value.model.c_str(),
                                       .hidden_layer = value.hidden_layer ? &*value.hidden_layer : nullptr,
                                       .num_prompts = value.num_prompts,
                                       .num_tokens = value.num_tokens},
                "statistics_describe");
  });
}

llmdit_status llmdit_statistics_mean(llmdit_tensor** mean, const llmdit_statistics* statistics) {
  return give_tensor(mean, "statistics_mean",
                     [&](const char* operation) { return borrow(statistics, operation)->value.per_dim_mean; });
}

llmdit_status llmdit_statistics_std(llmdit_tensor** std, const llmdit_statistics* statistics) {
  return give_tensor(std, "statistics_std",
                     [&](const char* operation) { return borrow(statistics, operation)->value.per_dim_std; });
}

void llmdit_statistics_free(llmdit_statistics* statistics) { free_handle(statistics); }

llmdit_status llmdit_statistics_prompts(llmdit_texts* prompts) {
  return guarded([&] {
    llmdit_texts& place = output(prompts, "statistics_prompts");
    static const auto* const kept = [] {
      auto* list = new std::vector<const char*>;
      for (const std::string& prompt : statistics_prompts()) list->push_back(prompt.c_str());
      return list;
    }();
    place = {kept->data(), kept->size()};
  });
}

llmdit_status llmdit_scale_embeddings(llmdit_tensor** scaled, llmdit_text** warnings, const llmdit_tensor* embeddings,
                                      const double* target_std) {
  if (warnings) *warnings = nullptr;
  return give_tensor(scaled, "scale_embeddings", [&](const char* operation) {
    std::vector<std::string> said;
    const at::Tensor result = scale_embeddings(read_tensor(embeddings, operation),
                                               read_optional(target_std).value_or(text_embedding_std), &said);
    if (warnings) *warnings = make_text(lines_of(said));
    return result;
  });
}

llmdit_status llmdit_normalize_per_dimension(llmdit_tensor** normalized, const llmdit_tensor* embeddings,
                                             const llmdit_statistics* statistics, const double* clip_sigma) {
  return give_tensor(normalized, "normalize_per_dimension", [&](const char* operation) {
    PerDimensionOptions options{.clip_outliers = clip_sigma != nullptr};
    if (clip_sigma) options.clip_sigma = *clip_sigma;
    return normalize_per_dimension(read_tensor(embeddings, operation), borrow(statistics, operation)->value, options);
  });
}

llmdit_status llmdit_normalize_hybrid(llmdit_tensor** normalized, llmdit_text** warnings,
                                      const llmdit_tensor* embeddings, const llmdit_statistics* statistics,
                                      double weight) {
  if (warnings) *warnings = nullptr;
  return give_tensor(normalized, "normalize_hybrid", [&](const char* operation) {
    std::vector<std::string> said;
    const at::Tensor result =
        normalize_hybrid(read_tensor(embeddings, operation), borrow(statistics, operation)->value, weight, &said);
    if (warnings) *warnings = make_text(lines_of(said));
    return result;
  });
}

llmdit_status llmdit_mask_outlier_dimensions(llmdit_tensor** masked, const llmdit_tensor* embeddings,
                                             const llmdit_statistics* statistics, double threshold, const char* mode) {
  return give_tensor(masked, "mask_outlier_dimensions", [&](const char* operation) {
    return mask_outlier_dimensions(read_tensor(embeddings, operation), borrow(statistics, operation)->value, threshold,
                                   parse_outlier_mode(read_text(mode, LLMDIT_NUL_TERMINATED, operation)))
        .embeddings;
  });
}

llmdit_status llmdit_outlier_dimensions(int64_t* columns, double* ratios, size_t* count,
                                        const llmdit_tensor* embeddings, const llmdit_statistics* statistics,
                                        double threshold) {
  return guarded([&] {
    const char* operation = "outlier_dimensions";
    const auto found =
        get_outlier_dimensions(read_tensor(embeddings, operation), borrow(statistics, operation)->value, threshold);
    using Found = std::pair<int64_t, double>;
    if (wants_items(count, columns || ratios, found.size(), operation))
      copy_columns(found, columns, ratios, &Found::first, &Found::second);
  });
}
