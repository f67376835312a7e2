#include "capi/encoder.hpp"
#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

VLEmbeddingExtractor load(const char* path, LoadOptions options, int64_t cache_size) {
  const VLEmbeddingExtractor::Settings settings{.auto_unload = options.vl_auto_unload, .cache_size = cache_size};
  if (!path) return VLEmbeddingExtractor::load(ModelSources(demo_model_path(), options), options, settings);
  if (options.vl_device) options.device = *options.vl_device;
  return VLEmbeddingExtractor::load(path, options, settings);
}

const auto extraction_warnings = [](const llmdit_vl_extraction& held) -> const auto& { return held.value->warnings; };

}  // namespace

llmdit_status llmdit_vl_encoder_load(llmdit_vl_encoder** encoder, const char* path, const llmdit_load_options* options,
                                     int64_t cache_size) {
  return guarded([&] {
    const char* operation = "vl_encoder_load";
    llmdit_vl_encoder*& place = output(encoder, operation);
    check(cache_size >= 0, operation, "expected a cache_size of at least 0, got {}", cache_size);
    place = make_handle(llmdit_vl_encoder{load(path, read_options(options, operation), cache_size)});
  });
}

llmdit_status llmdit_pipeline_vl_encoder(llmdit_vl_encoder** encoder, const llmdit_pipeline* pipeline) {
  return guarded([&] {
    llmdit_vl_encoder*& place = output(encoder, "pipeline_vl_encoder");
    place = make_handle(llmdit_vl_encoder{borrow(pipeline, "pipeline_vl_encoder")->value.vl_encoder()});
  });
}

int64_t llmdit_vl_encoder_hidden_size(const llmdit_vl_encoder* encoder) {
  return guarded_value<int64_t>(0, [&] { return borrow(encoder, "vl_encoder_hidden_size")->value.hidden_size(); });
}

llmdit_status llmdit_vl_encoder_extract(llmdit_vl_extraction** extraction, const llmdit_vl_encoder* encoder,
                                        const llmdit_image* image, const char* text, size_t text_length,
                                        const llmdit_vl_options* options) {
  return guarded([&] {
    const char* operation = "vl_encoder_extract";
    llmdit_vl_extraction*& place = output(extraction, operation);
    const auto held = borrow(encoder, operation);
    const auto picture = borrow(image, operation);
    place = make_handle(llmdit_vl_extraction{std::make_shared<const VLExtraction>(held->value.extract(
        *picture->value, read_text(text, text_length, operation), read_options(options, operation)))});
  });
}

llmdit_status llmdit_vl_encoder_generate(llmdit_generated_text** generated, const llmdit_vl_encoder* encoder,
                                         const llmdit_image* image, const char* text, size_t text_length,
                                         const char* system_prompt, const llmdit_text_options* options) {
  return guarded([&] {
    const char* operation = "vl_encoder_generate";
    llmdit_generated_text*& place = output(generated, operation);
    const auto held = borrow(encoder, operation);
    const auto picture = image ? borrow(image, operation)->value : nullptr;
    place = make_handle(llmdit_generated_text{
        held->value.generate(picture.get(), read_text(text, text_length, operation), read_options(options, operation),
                             system_prompt ? system_prompt : "")});
  });
}

llmdit_status llmdit_vl_encoder_unload(llmdit_vl_encoder* encoder) {
  return guarded([&] { borrow(encoder, "vl_encoder_unload")->value.unload(); });
}

void llmdit_vl_encoder_free(llmdit_vl_encoder* encoder) { free_handle(encoder); }

llmdit_status llmdit_vl_extraction_embeddings(llmdit_tensor** embeddings, const llmdit_vl_extraction* extraction) {
  return guarded([&] {
    llmdit_tensor*& place = output(embeddings, "vl_extraction_embeddings");
    place = make_tensor(borrow(extraction, "vl_extraction_embeddings")->value->embeddings);
  });
}

llmdit_status llmdit_vl_extraction_describe(llmdit_vl_extraction_info* info, const llmdit_vl_extraction* extraction) {
  return guarded([&] {
    const auto held = borrow(extraction, "vl_extraction_describe");
    const VLExtraction& value = *held->value;
    // The names are literals, so that they end with NUL.
    copy_struct(info,
                llmdit_vl_extraction_info{
                    .struct_size = 0,
                    .num_tokens = value.num_tokens,
                    .hidden_layer = value.hidden_layer,
                    .token_selection = token_selection_name(value.token_selection).data(),
                    .original_std = value.original_std,
                    .scaled_std = value.scaled_std,
                    .scale_factor = value.scale_factor,
                    .normalization_mode = normalization_name(value.normalization_mode).data(),
                    .outlier_masking = outlier_mode_name(value.outlier_masking).data(),
                    .outlier_threshold = value.outlier_threshold,
                    .masked_dimensions = value.masked_dimensions ? value.masked_dimensions->data() : nullptr,
                    .masked_dim_ratios = value.masked_dim_ratios.data(),
                    .masked_count = value.masked_dim_ratios.size(),
                    .full_prompt = value.full_prompt_with_tokens.c_str(),
                    .input_ids = value.input_token_ids.data(),
                    .input_ids_count = value.input_token_ids.size(),
                    .model_variant = value.model_variant.c_str(),
                    .from_cache = value.from_cache,
                },
                "vl_extraction_describe");
  });
}

size_t llmdit_vl_extraction_warning_count(const llmdit_vl_extraction* extraction) {
  return count_of(extraction, "vl_extraction_warning_count", extraction_warnings);
}

const char* llmdit_vl_extraction_warning(const llmdit_vl_extraction* extraction, size_t index) {
  return text_at(extraction, index, "vl_extraction_warning", extraction_warnings);
}

void llmdit_vl_extraction_free(llmdit_vl_extraction* extraction) { free_handle(extraction); }

llmdit_status llmdit_result_vl_extraction(llmdit_vl_extraction** extraction, const llmdit_result* result) {
  return guarded([&] {
    const char* operation = "result_vl_extraction";
    llmdit_vl_extraction*& place = output(extraction, operation);
    const auto held = borrow(result, operation);
    if (!held->value->vl) throw Error(ErrorCode::not_found, fmt::format("[{}] there was no vl_image", operation));
    place = make_handle(llmdit_vl_extraction{std::shared_ptr<const VLExtraction>(held->value, &*held->value->vl)});
  });
}
