#include "capi/lists.hpp"
#include "capi/option_links.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

llmdit_blend_options default_blend_options() {
  const BlendOptions defaults;
  return {.struct_size = sizeof(llmdit_blend_options),
          .mode = blend_mode_name(defaults.mode).data(),  // a literal, which ends with NUL
          .alpha = defaults.alpha,
          .neutral = nullptr,
          .attention_weights = nullptr};
}

BlendOptions read_options(const llmdit_blend_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_blend_options current = current_struct(*given, default_blend_options(), operation);
  BlendOptions options{.mode = parse_blend_mode(read_text(current.mode, LLMDIT_NUL_TERMINATED, "mode")),
                       .alpha = current.alpha};
  if (current.neutral) options.neutral = read_tensor(current.neutral, "neutral");
  if (current.attention_weights)
    options.attention_weights = read_tensor(current.attention_weights, "attention_weights");
  return options;
}

LongPromptMode read_long_prompt_mode(const char* name, std::string_view operation) {
  // The option's own reading has the message for what is none.
  const OptionField& field = find_field(option_fields<GenerateOptions>(), "long_prompt_mode");
  const OptionValue text = std::string(read_text(name, LLMDIT_NUL_TERMINATED, operation));
  return *parse_long_prompt_mode(std::get<std::string>(check_value(field, text)));
}

}  // namespace

llmdit_status llmdit_blend_options_init_sized(llmdit_blend_options* options, size_t struct_size) {
  return init_struct(options, struct_size, default_blend_options(), "blend_options_init");
}

llmdit_status llmdit_blend(llmdit_tensor** blended, llmdit_text** warnings, const llmdit_tensor* vl,
                           const llmdit_tensor* text, const llmdit_blend_options* options) {
  if (warnings) *warnings = nullptr;
  return give_tensor(blended, "blend", [&](const char* operation) {
    const BlendResult result =
        blend(read_tensor(vl, operation), read_tensor(text, operation), read_options(options, operation));
    if (warnings) *warnings = make_text(lines_of(result.warnings));
    return result.embeddings;
  });
}

llmdit_status llmdit_blend_embeddings(llmdit_tensor** blended, const llmdit_tensor* vl, const llmdit_tensor* text,
                                      double alpha, bool match_lengths) {
  return give_tensor(blended, "blend_embeddings", [&](const char* operation) {
    return blend_embeddings(read_tensor(vl, operation), read_tensor(text, operation), alpha,
                            read_bool(match_lengths, "match_lengths"));
  });
}

llmdit_status llmdit_blend_style_only(llmdit_tensor** blended, const llmdit_tensor* vl, const llmdit_tensor* text,
                                      double alpha, const int64_t* columns, size_t column_count) {
  return give_tensor(blended, "blend_style_only", [&](const char* operation) {
    std::optional<std::vector<int64_t>> dims;
    if (const auto listed = read_list(columns, column_count, operation); columns)
      dims.emplace(listed.begin(), listed.end());
    return blend_style_only(read_tensor(vl, operation), read_tensor(text, operation), alpha, dims);
  });
}

llmdit_status llmdit_blend_per_token(llmdit_tensor** blended, const llmdit_tensor* vl, const llmdit_tensor* text,
                                     const llmdit_tensor* alphas) {
  return give_tensor(blended, "blend_per_token", [&](const char* operation) {
    return blend_per_token(read_tensor(vl, operation), read_tensor(text, operation), read_tensor(alphas, operation));
  });
}

llmdit_status llmdit_create_graduated_alpha(llmdit_tensor** alphas, int64_t count, double start, double end,
                                            const char* curve) {
  return give_tensor(alphas, "create_graduated_alpha", [&](const char* operation) {
    return create_graduated_alpha(count, start, end,
                                  parse_alpha_curve(read_text(curve, LLMDIT_NUL_TERMINATED, operation)));
  });
}

llmdit_status llmdit_blend_adain(llmdit_tensor** blended, const llmdit_tensor* text, const llmdit_tensor* vl,
                                 double alpha, bool per_token) {
  return give_tensor(blended, "blend_adain", [&](const char* operation) {
    return blend_adain(read_tensor(text, operation), read_tensor(vl, operation), alpha,
                       read_bool(per_token, "per_token"));
  });
}

llmdit_status llmdit_compute_style_delta(llmdit_tensor** delta, const llmdit_tensor* styled,
                                         const llmdit_tensor* neutral, bool normalize) {
  return give_tensor(delta, "compute_style_delta", [&](const char* operation) {
    return compute_style_delta(read_tensor(styled, operation), read_tensor(neutral, operation),
                               read_bool(normalize, "normalize"));
  });
}

llmdit_status llmdit_blend_with_style_delta(llmdit_tensor** blended, const llmdit_tensor* text,
                                            const llmdit_tensor* delta, double alpha, bool scale_to_text) {
  return give_tensor(blended, "blend_with_style_delta", [&](const char* operation) {
    return blend_with_style_delta(read_tensor(text, operation), read_tensor(delta, operation), alpha,
                                  read_bool(scale_to_text, "scale_to_text"));
  });
}

llmdit_status llmdit_compress_embeddings(llmdit_tensor** compressed, const llmdit_tensor* embeddings,
                                         int64_t max_tokens, const char* mode) {
  return give_tensor(compressed, "compress_embeddings", [&](const char* operation) {
    return compress_embeddings(read_tensor(embeddings, operation), max_tokens, read_long_prompt_mode(mode, operation));
  });
}

const char* llmdit_estimate_quality_loss(int64_t tokens, int64_t max_tokens, const char* mode) {
  return guarded_value<const char*>(nullptr, [&] {
    // The words are literals, so that they end with NUL.
    return estimate_quality_loss(tokens, max_tokens, read_long_prompt_mode(mode, "estimate_quality_loss")).data();
  });
}

llmdit_status llmdit_steering_vector(llmdit_tensor** vector, const llmdit_tensor* const* positive,
                                     size_t positive_count, const llmdit_tensor* const* negative, size_t negative_count,
                                     const char* reduction, bool normalize) {
  return give_tensor(vector, "steering_vector", [&](const char* operation) {
    return steering_vector(
        read_tensors(positive, positive_count, operation), read_tensors(negative, negative_count, operation),
        parse_row_reduction(read_text(reduction, LLMDIT_NUL_TERMINATED, operation)), read_bool(normalize, "normalize"));
  });
}

llmdit_status llmdit_apply_steering(llmdit_tensor** steered, const llmdit_tensor* embeddings,
                                    const llmdit_tensor* vector, double scale) {
  return give_tensor(steered, "apply_steering", [&](const char* operation) {
    return apply_steering(read_tensor(embeddings, operation), read_tensor(vector, operation), scale);
  });
}

llmdit_status llmdit_compare_embeddings(llmdit_embedding_comparison* comparison, const llmdit_tensor* a,
                                        const llmdit_tensor* b, const char* reduction) {
  return guarded([&] {
    const char* operation = "compare_embeddings";
    const EmbeddingComparison c =
        compare_embeddings(read_tensor(a, operation), read_tensor(b, operation),
                           parse_row_reduction(read_text(reduction, LLMDIT_NUL_TERMINATED, operation)));
    copy_struct(
        comparison,
        llmdit_embedding_comparison{
            .struct_size = 0, .cosine_similarity = c.cosine_similarity, .mean_squared_error = c.mean_squared_error},
        operation);
  });
}
