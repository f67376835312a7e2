#include "llmdit/remote_text_encoder.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "base/option_table.hpp"
#include "base/stop.hpp"
#include "base/translate.hpp"
#include "conditioning/layer_mix.hpp"
#include "io/encoding.hpp"
#include "llmdit/z_image_transformer.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit {

template <>
struct EnumTable<EncoderApi> {
  static constexpr EnumName<EncoderApi> names[] = {
      {EncoderApi::llmdit, "llmdit"},        {EncoderApi::heylook, "heylook"},
      {EncoderApi::sglang, "sglang"},        {EncoderApi::vllm_file, "vllm-file"},
      {EncoderApi::vllm_file, "vllm_file"},  {EncoderApi::vllm_pooling, "vllm-pooling"},
      {EncoderApi::embeddings, "embeddings"}};
};

namespace {

using Options = RemoteEncoderOptions;
using remote::EncoderProtocol;
using remote::kEncoderOperation;

constexpr double max_seconds = 1e6;

constexpr OptionField remote_fields[] = {
    field<Options, "api_url", &Options::server, &RemoteOptions::url>(
        {.section = "api", .help = "text encoder on this server, http://HOST:PORT", .flag = "encoder-url"}),
    field<Options, "encoder_api", &Options::api>(
        {.section = "api", .help = "kind of that server", .is_fine_point = true}),
    field<Options, "api_model", &Options::model>(
        {.section = "api", .help = "name of the model there", .flag = "encoder-model", .is_fine_point = true}),
    field<Options, "api_layer_ids", &Options::layer_ids>(
        {.section = "api",
         .help = "layers that sglang or vllm-file was started with, in its counting",
         .flag = "encoder-layer-ids",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 1000}),
    field<Options, "api_folder", &Options::folder>({.section = "api",
                                                    .help = "where vllm-file's shared_storage_path is seen here",
                                                    .flag = "encoder-folder",
                                                    .is_fine_point = true}),
    field<Options, "api_connect_timeout", &Options::server, &RemoteOptions::connect_timeout>(
        {.section = "api",
         .help = "patience for a connection",
         .unit = "seconds",
         .flag = "encoder-connect-timeout",
         .is_fine_point = true,
         .minimum = 0.001,
         .maximum = max_seconds}),
    field<Options, "api_read_timeout", &Options::server, &RemoteOptions::read_timeout>(
        {.section = "api",
         .help = "patience for the next byte",
         .unit = "seconds",
         .flag = "encoder-read-timeout",
         .is_fine_point = true,
         .minimum = 0.001,
         .maximum = max_seconds}),
    field<Options, "api_timeout", &Options::server, &RemoteOptions::timeout>({.section = "api",
                                                                              .help = "patience for a whole answer",
                                                                              .unit = "seconds",
                                                                              .flag = "encoder-timeout",
                                                                              .is_fine_point = true,
                                                                              .minimum = 0.001,
                                                                              .maximum = max_seconds}),
    field<Options, "api_retries", &Options::server, &RemoteOptions::retries>(
        {.section = "api",
         .help = "tries again after failures that may pass",
         .flag = "encoder-retries",
         .is_fine_point = true,
         .minimum = 0,
         .maximum = 100}),
};

/// Why an API cannot serve at all.
void check_api(EncoderApi api) {
  if (api == EncoderApi::vllm_pooling) {
    fail(ErrorCode::unsupported, kEncoderOperation,
         std::string_view(
             "expected an API that gives the raw output of a layer: vLLM's pooling gives the last one after "
             "its norm, whose scale for each token is lost, and L2-normalises it unless use_activation is "
             "false; use vllm-file"));
  }
  if (api == EncoderApi::embeddings) {
    fail(ErrorCode::unsupported, kEncoderOperation,
         std::string_view("expected an API that gives a row for each token: /v1/embeddings pools them into one vector, "
                          "which no picture can be made from; use heylook, sglang, vllm-file or llmdit"));
  }
}

void check_effects(const RemoteEncoderOptions& options) {
  const bool has_ids = options.api == EncoderApi::sglang || options.api == EncoderApi::vllm_file;
  check(options.layer_ids.empty() || has_ids, kEncoderOperation,
        "expected layer_ids for sglang or vllm-file only, got them for {}", enum_name(options.api));
  check(std::ranges::all_of(options.layer_ids, [](double id) { return id == std::floor(id); }), kEncoderOperation,
        "expected whole numbers as layer_ids, got {}", fmt::join(options.layer_ids, ", "));
  check(!options.folder || options.api == EncoderApi::vllm_file, kEncoderOperation,
        "expected a folder for vllm-file only, got one for {}", enum_name(options.api));
}

std::shared_ptr<const EncoderProtocol> make_protocol(const RemoteEncoderOptions& options, RemoteEncoderModel& model,
                                                     const std::stop_token& stop) {
  remote::ProtocolParts parts{.client = std::make_shared<const remote::HttpClient>(options.server, kEncoderOperation),
                              .options = options,
                              .model = model};
  switch (options.api) {
    case EncoderApi::heylook:
      return remote::make_heylook_protocol(std::move(parts));
    case EncoderApi::sglang:
      return remote::make_sglang_protocol(std::move(parts));
    case EncoderApi::vllm_file:
      return remote::make_vllm_file_protocol(std::move(parts));
    default:
      return remote::make_llmdit_protocol(std::move(parts), model, stop);
  }
}

[[noreturn]] void fail_states(const RemoteEncoderOptions& options, std::string_view message) {
  throw RemoteError(0, fmt::format("[{}] {}: {}", kEncoderOperation, io::printable(options.server.url), message));
}

void check_states(const RemoteEncoderOptions& options, const RemoteEncoderModel& model,
                  const remote::StatesRequest& request, const remote::States& states) {
  const int64_t rows = states.rows.size(0), width = states.rows.size(1);
  if (request.ids) {
    const auto expected = static_cast<int64_t>(request.ids->size());
    if (rows < expected)
      fail_states(options, fmt::format("expected {} rows, one a token, got {}: {}", expected, rows, states.why_short));
    if (rows > expected)
      fail_states(options,
                  fmt::format("expected {} rows, one a token, got {}: it has another tokenizer, or puts a chat "
                              "template around the text",
                              expected, rows));
    if (!states.ids.empty() && states.ids != *request.ids)
      fail_states(options,
                  "its token ids are others than those of the tokenizer here; they belong to different models");
  }
  if (!states.ids.empty() && rows != static_cast<int64_t>(states.ids.size()))
    fail_states(options, fmt::format("expected {} rows, one for each token it read, got {}: {}", states.ids.size(),
                                     rows, states.why_short));
  if (model.hidden_size > 0 && width != model.hidden_size)
    fail_states(options,
                fmt::format("expected rows of width {}, got {}; it runs another model", model.hidden_size, width));
  if (!at::isfinite(states.rows).all().item<bool>()) {
    fail_states(options, fmt::format("the states of layer {} are not finite; it must not compute in float16",
                                     request.asked_layer));
  }
}

}  // namespace

template <>
std::span<const OptionField> option_fields<RemoteEncoderOptions>() {
  return remote_fields;
}

RemoteEncoderModel RemoteEncoderModel::of(const ModelSources& sources) {
  return translate_errors(kEncoderOperation, [&] {
    RemoteEncoderModel model;
    const auto if_found = [](auto&& read) {
      try {
        read();
      } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) throw;
      }
    };
    if_found([&] { model.tokenizer = Tokenizer::load(sources.tokenizer()); });
    if_found([&] { model.hidden_size = ZImageTransformerConfig::load(sources.transformer()).cap_feat_dim; });
    if_found([&] { model.num_hidden_layers = Qwen3Config::load(sources.config_of("text_encoder")).num_hidden_layers; });
    return model;
  });
}

RemoteTextEncoder::RemoteTextEncoder(const RemoteEncoderOptions& options, const RemoteEncoderModel& model,
                                     const std::stop_token& stop)
    : options_(options), model_(model) {
  translate_errors(kEncoderOperation, [&] {
    check_options(options);
    check_api(options.api);
    check_effects(options);
    protocol_ = make_protocol(options_, model_, stop);
  });
}

EncodingOutput RemoteTextEncoder::encode(std::span<const std::string> texts, const EncodeOptions& options) const {
  return translate_errors(kEncoderOperation, [&] {
    EncodingOutput output;
    for (const std::string& text : texts) {
      check_stop(options.stop, kEncoderOperation);
      output.embeddings.push_back(encode_one(text, options));
      output.token_counts.push_back(output.embeddings.back().size(0));
      output.formatted_prompts.push_back(text);
    }
    output.metadata = layer_metadata(options);
    output.metadata["encoder"] = options_.server.url;
    output.metadata["encoder_api"] = std::string(enum_name(options_.api));
    if (!options_.model.empty()) output.metadata["encoder_model"] = options_.model;
    if (!fingerprint().empty()) output.metadata["encoder_fingerprint"] = fingerprint();
    return output;
  });
}

at::Tensor RemoteTextEncoder::encode_one(const std::string& text, const EncodeOptions& options) const {
  // A new option does not compile here until it is sent, or refused.
  const auto& [hidden_layer, layer_weights, layer_spans, stop] = options;
  std::optional<std::vector<int64_t>> ids;
  if (model_.tokenizer) ids = model_.tokenizer->encode(text);
  check(!ids || !ids->empty(), kEncoderOperation, "expected a text of at least one token, got none");
  check(ids || layer_spans.empty(), kEncoderOperation,
        "expected the model's tokenizer beside layer_spans, which count tokens; name a model or tokenizer_path");
  constexpr int64_t unknown = 1 << 30;  // tokens; plays no part without spans
  const auto mix_of = [&](int64_t tokens) {
    return LayerMix(base_weights(options), layer_spans, model_.num_hidden_layers, tokens);
  };
  std::vector<at::Tensor> states;
  const LayerMix wanted = mix_of(ids ? static_cast<int64_t>(ids->size()) : unknown);
  for (const int64_t layer : wanted.layers()) {
    const remote::StatesRequest request{
        .text = text, .ids = ids, .layer = layer, .asked_layer = layer - model_.num_hidden_layers - 1};
    const remote::States answer = protocol_->fetch(request, stop);
    check_states(options_, model_, request, answer);
    states.push_back(answer.rows);
    if (answer.rows.sizes() != states.front().sizes())
      fail_states(options_, "its layers are of several sizes for one text");
  }
  return mix_of(states.front().size(0))(states);
}

int64_t RemoteTextEncoder::hidden_size() const { return model_.hidden_size; }
std::string RemoteTextEncoder::fingerprint() const { return protocol_->fingerprint(); }

}  // namespace llmdit
