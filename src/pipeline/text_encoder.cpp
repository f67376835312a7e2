#include "llmdit/text_encoder.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <mutex>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "conditioning/layer_mix.hpp"
#include "io/content_digest.hpp"
#include "io/encoding.hpp"
#include "io/gguf_format.hpp"
#include "io/mapped_file.hpp"
#include "io/sha256.hpp"
#include "llmdit/attention.hpp"
#include "llmdit/embedding_cache.hpp"
#include "llmdit/version.hpp"
#include "models/model_files.hpp"
#include "models/qwen3.hpp"
#include "models/resident_model.hpp"
#include "models/shared_prefix.hpp"
#include "pipeline/text_generation.hpp"

namespace llmdit {

TextEncoder::~TextEncoder() = default;

namespace {

/// Where and as what the weights are kept: what else decides on the last bits of a result.
std::string kind_of(const nn::Placement& placement) {
  return fmt::format("{} {} {} {}", c10::DeviceTypeName(placement.device.type()),
                     placement.storage ? c10::toString(*placement.storage) : "as stored",
                     static_cast<int>(placement.quantization), attention_backend_name(placement.attention));
}

std::string tokenizer_digest(const Tokenizer& tokenizer) {
  const auto file = io::MappedFile::open(tokenizer.path());
  const auto bytes = file->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(io::gguf_magic)) return io::sha256_hex(bytes);
  io::Sha256 hash;  // the rest of such a file are weights
  for (const auto& [key, value] : io::WeightFile::open(tokenizer.path())->metadata())
    hash.update(fmt::format("{}={}\n", key, value));
  return hash.hex();
}

/// Files that belong together, and where their weights go.
struct EncoderFiles {
  models::ModelFiles<Qwen3Config> files;
  Tokenizer tokenizer;
  nn::Placement placement;
};

EncoderFiles open_encoder(const std::filesystem::path& path, const std::filesystem::path& tokenizer_path,
                          const LoadOptions& options, const std::filesystem::path& config_path) {
  check_component_options(options);
  auto files = models::open_qwen3(path, config_path);
  Tokenizer tokenizer = Tokenizer::load(tokenizer_path);
  if (tokenizer.vocab_size() > files.config.vocab_size) {
    fail(ErrorCode::unsupported, "text_encoder",
         "expected the tokenizer's ids to lie below vocab_size {} of {}, but {} has {}; they belong "
         "to different models",
         files.config.vocab_size, path.string(), tokenizer.path().string(), tokenizer.vocab_size());
  }
  return {
      std::move(files), std::move(tokenizer),
      nn::resolve_placement(options, {"text_encoder", options.text_encoder_device, options.text_encoder_quantization})};
}

}  // namespace

struct ZImageTextEncoder::Impl {
  using Resident = models::ResidentModel<models::Qwen3Model, Qwen3Config>;

  Impl(Resident weights, const Qwen3Config& config, Tokenizer tokenizer, std::string kind,
       std::shared_ptr<EmbeddingCache> cache, std::string adapters = {})
      : config(config),
        kind(std::move(kind)),
        adapters(std::move(adapters)),
        cache(std::move(cache)),
        tokenizer(std::move(tokenizer)),
        resident(std::move(weights)) {}

  static std::shared_ptr<const Impl> make(EncoderFiles opened, const LoadOptions& options,
                                          std::shared_ptr<nn::Turns> turns) {
    const Qwen3Config config = opened.files.config;
    return std::make_shared<Impl>(Resident(std::move(opened.files.table), opened.placement, config, std::move(turns)),
                                  config, std::move(opened.tokenizer), kind_of(opened.placement),
                                  make_embedding_cache(options));
  }

  /// The layers that the options ask for, of a text of so many tokens.
  LayerMix mix(const EncodeOptions& options, size_t tokens) const {
    return {base_weights(options), options.layer_spans, config.num_hidden_layers, static_cast<int64_t>(tokens)};
  }

  std::vector<at::Tensor> mixed_states(std::span<const models::TokenIds> texts, const EncodeOptions& options) const {
    std::vector<LayerMix> mixes;  // which differ in their tokens alone
    for (const models::TokenIds& ids : texts) mixes.push_back(mix(options, ids.size()));
    if (mixes.empty()) return {};
    const auto& layers = mixes.front().layers();
    const auto loaded = resident.enter(options.stop);
    const auto states = models::hidden_states_of_each(loaded->model, texts, layers, options.stop);
    std::vector<at::Tensor> result;
    for (size_t i = 0; i < texts.size(); ++i) result.push_back(checked(mixes[i](states[i]), layers));
    return result;
  }

  /// `states`, which must be numbers.
  const at::Tensor& checked(const at::Tensor& states, std::span<const int64_t> layers) const {
    if (!at::isfinite(states).all().item<bool>()) {
      fail(ErrorCode::internal, "text_encoder", "the hidden states of layer {} are not finite; check the weights in {}",
           fmt::join(layers, ", "), resident.table().checkpoint().path().string());
    }
    return states;
  }

  /// Reads all weights, once.
  const std::string& fingerprint() const {
    std::call_once(fingerprinted, [&] {
      io::Sha256 hash;
      for (const std::string& part :
           {std::string(version()), kind, adapters, io::content_digest(resident.table()),
            fmt::format("{} {} {} {} {} {}", config.rms_norm_eps, config.rope_theta, config.head_dim,
                        config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads),
            tokenizer_digest(tokenizer)}) {
        hash.update(part + "\n");
      }
      digest = hash.hex();
    });
    return digest;
  }

  /// Read when a text is first written: a damaged file of theirs does not concern those who encode.
  const std::vector<int64_t>& stop_ids() const {
    translate_errors("text_encoder", [&] {
      std::call_once(stop_ids_found, [&] { found_stop_ids = find_stop_ids(tokenizer, resident.table().checkpoint()); });
    });
    return found_stop_ids;
  }

  Qwen3Config config;
  std::string kind;      // where and as what the weights are kept
  std::string adapters;  // their contents and scales
  std::shared_ptr<EmbeddingCache> cache;
  mutable std::once_flag fingerprinted;
  mutable std::string digest;
  Tokenizer tokenizer;
  Resident resident;
  mutable std::once_flag stop_ids_found;
  mutable std::vector<int64_t> found_stop_ids;
};

ZImageTextEncoder::ZImageTextEncoder(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

ZImageTextEncoder ZImageTextEncoder::load(const std::filesystem::path& path,
                                          const std::filesystem::path& tokenizer_path, const LoadOptions& options,
                                          const std::filesystem::path& config_path) {
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    return ZImageTextEncoder(
        Impl::make(open_encoder(path, tokenizer_path, options, config_path), options, nn::turns_of(options)));
  });
}

ZImageTextEncoder ZImageTextEncoder::load(const ModelSources& sources, const LoadOptions& options) {
  return load(sources, options, nn::turns_of(options));
}

ZImageTextEncoder ZImageTextEncoder::load(const ModelSources& sources, const LoadOptions& options,
                                          std::shared_ptr<nn::Turns> turns) {
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    const LoadOptions own = component_options(options);
    return ZImageTextEncoder(
        Impl::make(open_encoder(sources.text_encoder(), sources.tokenizer(), own, sources.config_of("text_encoder")),
                   own, std::move(turns)));
  });
}

ZImageTextEncoder ZImageTextEncoder::patched(const WeightPatches& patches, const std::string& adapters) const {
  // Without changes before and now it stays what it is, its digest of all weights included.
  if (patches.empty() && adapters.empty() && impl_->adapters.empty()) return *this;
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    return ZImageTextEncoder(std::make_shared<Impl>(impl_->resident.patched(patches), impl_->config, impl_->tokenizer,
                                                    impl_->kind, impl_->cache, adapters));
  });
}

std::shared_ptr<const void> ZImageTextEncoder::hold(std::stop_token stop) const {
  const c10::NoGradGuard guard;
  return impl_->resident.enter(stop);
}

std::map<std::string, std::vector<int64_t>> ZImageTextEncoder::weight_shapes() const {
  return impl_->resident.shapes();
}

std::map<std::string, at::Tensor> ZImageTextEncoder::state_dict() const {
  return translate_errors("text_encoder", [&] { return impl_->resident.state_dict(); });
}

EncodingOutput ZImageTextEncoder::encode(std::span<const std::string> texts, const EncodeOptions& options) const {
  if (!impl_->cache) return encode_uncached(texts, options);
  return impl_->cache->encode(impl_->fingerprint(), texts, options,
                              [&](const std::string& text) { return encode_uncached(std::span(&text, 1), options); });
}

EncodingOutput ZImageTextEncoder::encode_uncached(std::span<const std::string> texts,
                                                  const EncodeOptions& options) const {
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    EncodingOutput output;
    std::vector<models::TokenIds> ids;
    for (const std::string& text : texts) {
      ids.push_back(impl_->tokenizer.encode(text));
      output.token_counts.push_back(static_cast<int64_t>(ids.back().size()));
      output.formatted_prompts.push_back(text);
    }
    output.embeddings = impl_->mixed_states(ids, options);
    output.metadata = layer_metadata(options);
    output.metadata["encoder"] = io::printable_path(impl_->resident.table().checkpoint().path());
    return output;
  });
}

std::shared_ptr<EmbeddingCache> ZImageTextEncoder::cache() const { return impl_->cache; }

std::string ZImageTextEncoder::fingerprint() const {
  return translate_errors("text_encoder", [&] { return impl_->fingerprint(); });
}

int64_t ZImageTextEncoder::hidden_size() const { return impl_->config.hidden_size; }

at::Tensor ZImageTextEncoder::hidden_states(std::span<const int64_t> input_ids, const EncodeOptions& options) const {
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    const models::TokenIds ids(input_ids.begin(), input_ids.end());
    return impl_->mixed_states({&ids, 1}, options).front();
  });
}

std::vector<at::Tensor> ZImageTextEncoder::hidden_states(std::span<const int64_t> input_ids,
                                                         std::span<const int64_t> layers, std::stop_token stop) const {
  return translate_errors("text_encoder", [&] {
    const c10::NoGradGuard guard;
    std::vector<int64_t> wanted(layers.begin(), layers.end());
    for (int64_t layer = 0; layers.empty() && layer <= impl_->config.num_hidden_layers; ++layer)
      wanted.push_back(layer);
    const models::TokenIds ids(input_ids.begin(), input_ids.end());
    const auto loaded = impl_->resident.enter(stop);
    auto states = models::hidden_states_of_each(loaded->model, {&ids, 1}, wanted, stop).front();
    for (size_t i = 0; i < wanted.size(); ++i) impl_->checked(states[i], {&wanted[i], 1});
    return states;
  });
}

GeneratedText ZImageTextEncoder::generate(std::string_view text, const TextGenerationOptions& options) const {
  return translate_errors("generate", [&] {
    const c10::NoGradGuard guard;
    WrittenPrompt prompt{.ids = impl_->tokenizer.encode(text), .stop_ids = impl_->stop_ids()};
    prompt.next_position = static_cast<int64_t>(prompt.ids.size());
    const auto loaded = impl_->resident.enter(options.stop);
    const models::Qwen3Model& model = loaded->model;
    prompt.input = {.embeddings = model.embed(prompt.ids), .rope = model.rope(0, prompt.next_position)};
    return generate_text(model, impl_->tokenizer, prompt, options);
  });
}

const std::vector<int64_t>& ZImageTextEncoder::stop_ids() const { return impl_->stop_ids(); }

const Qwen3Config& ZImageTextEncoder::config() const { return impl_->config; }
const std::filesystem::path& ZImageTextEncoder::path() const { return impl_->resident.table().checkpoint().path(); }
const Tokenizer& ZImageTextEncoder::tokenizer() const { return impl_->tokenizer; }
const std::vector<std::string>& ZImageTextEncoder::unused_weights() const { return impl_->resident.unused(); }
void ZImageTextEncoder::unload() const { impl_->resident.unload(); }
bool ZImageTextEncoder::is_loaded() const { return impl_->resident.is_loaded(); }

}  // namespace llmdit
