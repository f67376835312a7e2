#include <memory>

#include "capi/encoder.hpp"
#include "capi/lists.hpp"
#include "capi/options.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace llmdit::capi {

const ZImageTextEncoder& local_encoder(const llmdit_text_encoder& encoder, std::string_view operation) {
  const auto* local = dynamic_cast<const ZImageTextEncoder*>(encoder.value.get());
  if (!local)
    throw Error(ErrorCode::unsupported,
                fmt::format("[{}] expected a text encoder that is loaded here and not behind a cache of its own, got "
                            "another kind",
                            operation));
  return *local;
}

llmdit_generated_text_info describe(const GeneratedText& text) {
  return {.struct_size = 0,
          .text = text.text.c_str(),
          .text_length = text.text.size(),
          .token_ids = text.token_ids.data(),
          .token_count = text.token_ids.size(),
          .prompt_tokens = text.prompt_tokens,
          .finish_reason = static_cast<llmdit_finish_reason>(text.finish_reason),
          .stop_id = text.stop_id ? &*text.stop_id : nullptr,
          .seed = text.seed,
          .prompt_seconds = text.prompt_seconds,
          .seconds = text.seconds};
}

std::filesystem::path model_path(const char* path) { return path ? std::filesystem::path(path) : demo_model_path(); }

}  // namespace llmdit::capi

namespace {

llmdit_text_encoder* make_encoder(ZImageTextEncoder encoder) {
  auto cache = encoder.cache();
  return make_handle(
      llmdit_text_encoder{std::make_shared<const ZImageTextEncoder>(std::move(encoder)), std::move(cache)});
}

EmbeddingCache& cache_of(const llmdit_text_encoder& encoder, std::string_view operation) {
  if (!encoder.cache) throw Error(ErrorCode::not_found, fmt::format("[{}] the encoder has no cache", operation));
  return *encoder.cache;
}

}  // namespace

llmdit_status llmdit_text_encoder_load(llmdit_text_encoder** encoder, const char* path,
                                       const llmdit_load_options* options) {
  return guarded([&] {
    const char* operation = "text_encoder_load";
    llmdit_text_encoder*& place = output(encoder, operation);
    const LoadOptions read = read_options(options, operation);
    place = make_encoder(ZImageTextEncoder::load(ModelSources(model_path(path), read), read));
  });
}

llmdit_status llmdit_text_encoder_connect(llmdit_text_encoder** encoder, const llmdit_remote_options* remote,
                                          const char* path, const llmdit_load_options* load,
                                          const llmdit_cancellation* cancellation) {
  return guarded([&] {
    const char* operation = "text_encoder_connect";
    llmdit_text_encoder*& place = output(encoder, operation);
    const RemoteEncoderOptions options = read_options(remote, operation);
    const LoadOptions parts = read_options(load, operation);
    const RemoteEncoderModel model = path ? RemoteEncoderModel::of(ModelSources(path, parts)) : RemoteEncoderModel();
    place = make_handle(llmdit_text_encoder{
        std::make_shared<const RemoteTextEncoder>(options, model, read_stop(cancellation, operation)), nullptr});
  });
}

llmdit_status llmdit_text_encoder_with_cache(llmdit_text_encoder** cached, const llmdit_text_encoder* encoder,
                                             const llmdit_load_options* options) {
  return guarded([&] {
    const char* operation = "text_encoder_with_cache";
    llmdit_text_encoder*& place = output(cached, operation);
    LoadOptions read = read_options(options, operation);
    read.enable_cache = true;
    std::shared_ptr<EmbeddingCache> cache = make_embedding_cache(read);
    const auto inner = encoder ? borrow(encoder, operation)->value : nullptr;
    place = make_handle(llmdit_text_encoder{std::make_shared<const CachedTextEncoder>(inner, cache), cache});
  });
}

llmdit_status llmdit_pipeline_load_with_encoder(llmdit_pipeline** pipeline, const char* path,
                                                const llmdit_load_options* options,
                                                const llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "pipeline_load_with_encoder";
    llmdit_pipeline*& place = output(pipeline, operation);
    std::shared_ptr<const llmdit_text_encoder> held = encoder ? borrow(encoder, operation) : nullptr;
    place = make_handle(llmdit_pipeline{
        ZImagePipeline::load(model_path(path), read_options(options, operation), held ? held->value : nullptr), held});
  });
}

llmdit_status llmdit_pipeline_text_encoder(llmdit_text_encoder** encoder, const llmdit_pipeline* pipeline) {
  return guarded([&] {
    const char* operation = "pipeline_text_encoder";
    llmdit_text_encoder*& place = output(encoder, operation);
    const auto held = borrow(pipeline, operation);
    if (!held->value.encoder())
      throw Error(ErrorCode::not_found, fmt::format("[{}] the pipeline was loaded without one", operation));
    place = held->encoder ? make_handle(llmdit_text_encoder(*held->encoder)) : make_encoder(held->value.text_encoder());
  });
}

llmdit_status llmdit_text_encoder_encode(llmdit_encoding** encoding, const llmdit_text_encoder* encoder,
                                         const llmdit_texts* texts, const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "text_encoder_encode";
    llmdit_encoding*& place = output(encoding, operation);
    const auto held = borrow(encoder, operation);
    const EncodeOptions read = encode_options(read_options(options, operation));
    place = make_handle(llmdit_encoding{held->value->encode(read_texts(texts, operation), read)});
  });
}

int64_t llmdit_text_encoder_hidden_size(const llmdit_text_encoder* encoder) {
  return guarded_value<int64_t>(0, [&] { return borrow(encoder, "text_encoder_hidden_size")->value->hidden_size(); });
}

llmdit_status llmdit_text_encoder_fingerprint(llmdit_text** fingerprint, const llmdit_text_encoder* encoder) {
  return guarded([&] {
    llmdit_text*& place = output(fingerprint, "text_encoder_fingerprint");
    place = make_text(borrow(encoder, "text_encoder_fingerprint")->value->fingerprint());
  });
}

llmdit_status llmdit_text_encoder_tokenizer(llmdit_tokenizer** tokenizer, const llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "text_encoder_tokenizer";
    llmdit_tokenizer*& place = output(tokenizer, operation);
    place = make_handle(llmdit_tokenizer{local_encoder(*borrow(encoder, operation), operation).tokenizer()});
  });
}

llmdit_status llmdit_text_encoder_hidden_states(llmdit_tensor** states, const llmdit_text_encoder* encoder,
                                                const int64_t* ids, size_t id_count, const int64_t* layers,
                                                size_t layer_count, const llmdit_cancellation* cancellation) {
  return guarded([&] {
    const char* operation = "text_encoder_hidden_states";
    check(states != nullptr && layer_count > 0, operation, "expected layers and a place for each, got none");
    std::fill_n(states, layer_count, nullptr);
    const auto held = borrow(encoder, operation);
    const auto computed =
        local_encoder(*held, operation)
            .hidden_states(read_list(ids, id_count, operation), read_list(layers, layer_count, operation),
                           read_stop(cancellation, operation));
    std::vector<std::unique_ptr<llmdit_tensor, void (*)(llmdit_tensor*)>> handles;  // freed when one cannot be made
    for (const at::Tensor& layer : computed) handles.emplace_back(make_tensor(layer), &free_handle<llmdit_tensor>);
    for (size_t i = 0; i < layer_count; ++i) states[i] = handles[i].release();
  });
}

llmdit_status llmdit_text_encoder_generate(llmdit_generated_text** generated, const llmdit_text_encoder* encoder,
                                           const char* text, size_t text_length, const llmdit_text_options* options) {
  return guarded([&] {
    const char* operation = "text_encoder_generate";
    llmdit_generated_text*& place = output(generated, operation);
    const auto held = borrow(encoder, operation);
    const ZImageTextEncoder& local = local_encoder(*held, operation);
    place = make_handle(llmdit_generated_text{
        local.generate(read_text(text, text_length, operation), read_options(options, operation))});
  });
}

llmdit_status llmdit_generated_text_describe(llmdit_generated_text_info* info, const llmdit_generated_text* generated) {
  return guarded([&] {
    const char* operation = "generated_text_describe";
    const auto held = borrow(generated, operation);
    copy_struct(info, describe(held->value), operation);
  });
}

void llmdit_generated_text_free(llmdit_generated_text* generated) { free_handle(generated); }

llmdit_status llmdit_text_encoder_cache_describe(llmdit_cache_info* info, const llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "text_encoder_cache_describe";
    const EmbeddingCacheStats stats = cache_of(*borrow(encoder, operation), operation).stats();
    copy_struct(info,
                llmdit_cache_info{.struct_size = 0,
                                  .hits = stats.hits,
                                  .file_hits = stats.file_hits,
                                  .misses = stats.misses,
                                  .evictions = stats.evictions,
                                  .damaged = stats.damaged,
                                  .current_size = stats.current_size,
                                  .max_size = stats.max_size,
                                  .current_bytes = stats.current_bytes,
                                  .max_bytes = stats.max_bytes},
                operation);
  });
}

llmdit_status llmdit_text_encoder_clear_cache(const llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "text_encoder_clear_cache";
    cache_of(*borrow(encoder, operation), operation).clear();
  });
}

llmdit_status llmdit_text_encoder_compare(llmdit_encoder_difference* difference, const llmdit_text_encoder* expected,
                                          const llmdit_text_encoder* other, const char* text, size_t text_length,
                                          const llmdit_generate_options* options) {
  return guarded([&] {
    const char* operation = "text_encoder_compare";
    const auto here = borrow(expected, operation), there = borrow(other, operation);
    const EncoderDifference d = compare_encoders(local_encoder(*here, operation), *there->value,
                                                 std::string(read_text(text, text_length, operation)),
                                                 encode_options(read_options(options, operation)));
    copy_struct(difference,
                llmdit_encoder_difference{.struct_size = 0,
                                          .expected_rows = d.expected_shape.at(0),
                                          .expected_width = d.expected_shape.at(1),
                                          .rows = d.shape.at(0),
                                          .width = d.shape.at(1),
                                          .cosine = d.cosine,
                                          .lowest_cosine = d.lowest_cosine,
                                          .max_error = d.max_error,
                                          .relative_error = d.relative_error,
                                          .agrees = d.agrees(),
                                          .has_nearest_layer = d.nearest_layer.has_value(),
                                          .nearest_layer = d.nearest_layer.value_or(0)},
                operation);
  });
}

llmdit_status llmdit_text_encoder_unload(llmdit_text_encoder* encoder) {
  return guarded([&] {
    const char* operation = "text_encoder_unload";
    const auto held = borrow(encoder, operation);
    local_encoder(*held, operation).unload();
  });
}

void llmdit_text_encoder_free(llmdit_text_encoder* encoder) { free_handle(encoder); }
