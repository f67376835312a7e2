#include "llmdit/vl_encoder.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <list>
#include <mutex>

#include "base/check.hpp"
#include "base/load_options.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/hub_cache.hpp"
#include "io/path_kind.hpp"
#include "llmdit/chat.hpp"
#include "models/model_files.hpp"
#include "models/qwen3_vl.hpp"
#include "pipeline/chat_form.hpp"
#include "pipeline/text_generation.hpp"
#include "pipeline/vl_tokens.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;

constexpr const char* operation = "vl_encoder";

/// The weights, and the model on them.
struct LoadedModel {
  LoadedModel(models::Qwen3VLFiles files, const LoadOptions& options)
      : config(files.config),
        unused(files.unknown()),
        language(std::move(files.language), language_placement(options)),
        vision(std::move(files.vision), vision_placement(options)),
        model(nn::Weights(language), nn::Weights(vision), config) {
    note_unused();
  }

  /// As a whole: the model is freed after its use.
  static nn::Placement language_placement(const LoadOptions& options) {
    nn::Placement placement = nn::resolve_placement(options, {"vl", options.vl_device, options.vl_quantization});
    placement.max_memory.reset();
    return placement;
  }

  static nn::Placement vision_placement(const LoadOptions& options) {
    LoadOptions plain = options;
    plain.quantization = Quantization::none;
    plain.max_memory.reset();
    return nn::resolve_placement(plain, {.part = "vl", .device = options.vl_device});
  }

  /// Names of neither part, and tensors beyond the sizes of either.
  void note_unused() {
    for (const nn::WeightStore* store : {&language, &vision}) {
      for (const std::string& name : store->unused()) {
        const auto& foreign = store->table().unknown();
        if (std::ranges::find(foreign, name) == foreign.end()) unused.push_back(name);
      }
    }
  }

  Qwen3VLConfig config;
  std::vector<std::string> unused;
  nn::WeightStore language, vision;
  models::Qwen3VLModel model;
};

/// Hidden states of earlier calls. The key holds the picture itself: no two can be taken for each other.
class StateCache {
 public:
  struct Key {
    Image image;
    std::string text;  // as it is tokenised
    int64_t layer = 0;

    bool operator==(const Key&) const = default;
  };

  explicit StateCache(int64_t size) : size_(size) {}

  std::optional<at::Tensor> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(entries_, key, &Entry::first);
    if (found == entries_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found);
    return found->second;
  }

  void put(Key key, const at::Tensor& states) {
    const std::lock_guard lock(mutex_);
    if (size_ == 0 || std::ranges::find(entries_, key, &Entry::first) != entries_.end()) return;
    if (static_cast<int64_t>(entries_.size()) == size_) entries_.pop_back();
    entries_.emplace_front(std::move(key), states);
  }

 private:
  using Entry = std::pair<Key, at::Tensor>;

  std::mutex mutex_;
  int64_t size_;
  std::list<Entry> entries_;  // the last one used first
};

void check_finite(const at::Tensor& states, int64_t layer, const fs::path& path) {
  if (at::isfinite(states).all().item<bool>()) return;
  fail(ErrorCode::internal, operation, "the hidden states of layer {} are not finite; check the weights in {}", layer,
       io::printable_path(path));
}

/// Text models have no such file; a pipeline's folder has its Qwen3-VL inside.
void check_folder(const fs::path& path) {
  constexpr const char* needed = "preprocessor_config.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;  // told when it is opened
  if (io::is_file(path / needed)) return;
  const fs::path inside = path / "vl_encoder";
  fail(ErrorCode::not_found, operation, "expected a folder of Qwen3-VL as published, found no {} in {}{}", needed,
       io::printable_path(path),
       io::is_file(inside / needed) ? fmt::format("; the model is in {}", io::printable_path(inside)) : "");
}

}  // namespace

struct VLEmbeddingExtractor::Impl {
  Impl(fs::path folder, const LoadOptions& options, const Settings& chosen)
      : path(std::move(folder)),
        load_options(options),
        settings(chosen),
        image_options(VLImageOptions::load(path)),
        tokenizer(Tokenizer::load(path)),
        variant(opens_think_block(path) ? "thinking" : "instruct"),
        cache(chosen.cache_size),
        loaded(std::make_shared<LoadedModel>(models::open_qwen3_vl(path), options)),
        config(loaded->config),
        unused(loaded->unused),
        stop_ids(find_stop_ids(tokenizer, loaded->language.table().checkpoint())) {
    check_image_options();
    check_tokenizer();
  }

  void check_image_options() const {
    const auto& vision = config.vision;
    if (image_options.patch_size == vision.patch_size && image_options.merge_size == vision.spatial_merge_size &&
        image_options.temporal_patch_size == vision.temporal_patch_size)
      return;
    fail(ErrorCode::unsupported, operation,
         "expected patch_size, merge_size and temporal_patch_size of preprocessor_config.json to be those of "
         "vision_config in {}, found {}, {}, {} and {}, {}, {}",
         io::printable_path(path), image_options.patch_size, image_options.merge_size,
         image_options.temporal_patch_size, vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size);
  }

  void check_tokenizer() const {
    const std::pair<const char*, int64_t> wanted[] = {{vl_tokens::image_pad, config.image_token_id},
                                                      {vl_tokens::vision_start, config.vision_start_token_id},
                                                      {vl_tokens::vision_end, config.vision_end_token_id}};
    for (const auto& [token, id] : wanted) {
      if (tokenizer.token_to_id(token) == id) continue;
      fail(ErrorCode::unsupported, operation,
           "expected the tokenizer's {} to be token {} as config.json in {} says; "
           "they belong to different models",
           token, id, io::printable_path(path));
    }
    if (tokenizer.vocab_size() > config.text.vocab_size) {
      fail(ErrorCode::unsupported, operation,
           "expected the tokenizer's ids to lie below vocab_size {} of {}, but it has {}; they belong to different "
           "models",
           config.text.vocab_size, io::printable_path(path), tokenizer.vocab_size());
    }
  }

  /// The model for one call, which holds it as long as it needs it.
  std::shared_ptr<const LoadedModel> model() {
    const std::lock_guard lock(mutex);
    check(!is_freed, operation, "expected a model with its weights, but {} was closed; load it again",
          io::printable_path(path));
    if (!loaded) loaded = std::make_shared<LoadedModel>(models::open_qwen3_vl(path), load_options);
    return loaded;
  }

  /// Frees the weights at the end of a call that may leave by an exception, where auto_unload says so.
  auto unload_afterwards() {
    return c10::make_scope_exit([this] {
      if (settings.auto_unload) free(/*for_good=*/false);
    });
  }

  void free(bool for_good) {
    const std::lock_guard lock(mutex);
    if (!for_good && keepers > 0) return;
    loaded.reset();
    is_freed = is_freed || for_good;
  }

  fs::path path;
  LoadOptions load_options;
  Settings settings;
  VLImageOptions image_options;
  Tokenizer tokenizer;
  std::string variant;
  StateCache cache;
  std::mutex mutex;  // of the next three
  std::shared_ptr<const LoadedModel> loaded;
  bool is_freed = false;
  int64_t keepers = 0;  // that have put off the unloading
  Qwen3VLConfig config;
  std::vector<std::string> unused;
  std::vector<int64_t> stop_ids;
};

VLEmbeddingExtractor::VLEmbeddingExtractor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

VLEmbeddingExtractor VLEmbeddingExtractor::load(const fs::path& path, const LoadOptions& options,
                                                const Settings& settings) {
  return translate_errors(operation, [&] {
    check_component_options(options);
    check(settings.cache_size >= 0, "cache_size", "expected 0 or more, got {}", settings.cache_size);
    const c10::NoGradGuard guard;
    const fs::path folder = io::resolve_model_path(path);
    check_folder(folder);
    return VLEmbeddingExtractor(std::make_shared<Impl>(folder, options, settings));
  });
}

VLEmbeddingExtractor VLEmbeddingExtractor::load(const ModelSources& sources, const LoadOptions& options,
                                                const Settings& settings) {
  return translate_errors(operation, [&] { return load(sources.vl_encoder(), component_options(options), settings); });
}

VLExtraction VLEmbeddingExtractor::extract(const Image& image, std::string_view text,
                                           const VLExtractOptions& options) const {
  return translate_errors(operation, [&] {
    // picture -> pixel_values -> image tokens; text -> ids; both -> hidden states -> mask, select, scale
    check_options(options);
    const c10::NoGradGuard guard;
    const PixelValues pixels = preprocess(image);
    VLExtraction result{.hidden_layer = options.hidden_layer,
                        .token_selection = options.token_selection,
                        .normalization_mode = options.normalization_mode,
                        .outlier_masking = options.outlier_masking,
                        .outlier_threshold = options.outlier_threshold,
                        .text_description = std::string(text),
                        .system_prompt = options.system_prompt,
                        .full_prompt_with_tokens = format(pixels.token_count(impl_->image_options), text, options),
                        .model_variant = impl_->variant,
                        .chat_template_format = impl_->variant == "thinking" ? "qwen3-vl-thinking" : "qwen3-vl"};
    result.input_token_ids = impl_->tokenizer.encode(result.full_prompt_with_tokens);
    StateCache::Key key{image, result.full_prompt_with_tokens, options.hidden_layer};
    const auto known = impl_->cache.find(key);
    result.from_cache = known.has_value();
    at::Tensor states = known.value_or(at::Tensor());
    if (!known) {
      const int64_t layer = options.hidden_layer;
      states =
          hidden_states(result.input_token_ids, &pixels, {&layer, 1}, options.stop).front().to(at::kCPU, at::kFloat);
      impl_->cache.put(std::move(key), states);
    }
    const vl_tokens::Range range = vl_tokens::find_picture(result.input_token_ids, impl_->config);
    vl_tokens::read_states(states, range, options, result);
    return result;
  });
}

GeneratedText VLEmbeddingExtractor::generate(const Image* image, std::string_view text,
                                             const TextGenerationOptions& options,
                                             std::string_view system_prompt) const {
  return translate_errors("generate", [&] {
    const c10::NoGradGuard guard;
    const auto unloading = impl_->unload_afterwards();
    const auto loaded = impl_->model();
    std::optional<models::VLPicture> picture;
    int64_t image_tokens = 0;
    if (image) {
      const PixelValues pixels = preprocess(*image);
      image_tokens = pixels.token_count(impl_->image_options);
      picture = loaded->model.look_at(pixels, options.stop);
    }
    const VLExtractOptions form{.system_prompt = std::string(system_prompt), .force_think_block = false};
    WrittenPrompt prompt{.ids = impl_->tokenizer.encode(format(image_tokens, text, form)), .stop_ids = impl_->stop_ids};
    const models::VLSequence sequence = loaded->model.sequence(prompt.ids, picture ? &*picture : nullptr);
    prompt.input = sequence.input();
    prompt.next_position = sequence.next_position();
    return generate_text(loaded->model.language(), impl_->tokenizer, prompt, options);
  });
}

PixelValues VLEmbeddingExtractor::preprocess(const Image& image) const {
  return preprocess_image(image, impl_->image_options);
}

VLImageFeatures VLEmbeddingExtractor::image_features(const PixelValues& pixels, const std::stop_token& stop) const {
  return translate_errors(operation, [&] {
    const c10::NoGradGuard guard;
    const auto unloading = impl_->unload_afterwards();
    return impl_->model()->model.look_at(pixels, stop).features;
  });
}

at::Tensor VLEmbeddingExtractor::position_ids(std::span<const int64_t> input_ids, const PixelValues* pixels) const {
  return translate_errors(operation, [&] {
    const auto unloading = impl_->unload_afterwards();
    return impl_->model()->model.position_ids(input_ids, pixels ? &pixels->grid_thw : nullptr);
  });
}

std::vector<at::Tensor> VLEmbeddingExtractor::hidden_states(std::span<const int64_t> input_ids,
                                                            const PixelValues* pixels, std::span<const int64_t> layers,
                                                            const std::stop_token& stop) const {
  return translate_errors(operation, [&] {
    const c10::NoGradGuard guard;
    const auto unloading = impl_->unload_afterwards();
    const auto loaded = impl_->model();
    std::optional<models::VLPicture> picture;
    if (pixels) picture = loaded->model.look_at(*pixels, stop);
    const models::VLSequence sequence = loaded->model.sequence(input_ids, picture ? &*picture : nullptr);
    const auto states = loaded->model.language().hidden_states(sequence.input(), layers, stop);
    for (size_t i = 0; i < states.size(); ++i) check_finite(states[i], layers[i], impl_->path);
    return states;
  });
}

std::string VLEmbeddingExtractor::format(int64_t image_tokens, std::string_view text,
                                         const VLExtractOptions& options) const {
  for (const std::string_view part : {text, std::string_view(options.system_prompt)}) {
    for (const char* token : {vl_tokens::image_pad, vl_tokens::vision_start, vl_tokens::vision_end}) {
      check(part.find(token) == part.npos, operation, "expected a text without {}, which stands for the picture",
            token);
    }
  }
  const bool opens_block = impl_->variant == "thinking";
  check(!opens_block || !options.force_think_block.value_or(false), "force_think_block",
        "expected no think block for a Thinking model, whose chat template opens one; leave the option out");
  std::string content;
  if (image_tokens > 0) {
    content = vl_tokens::vision_start;
    for (int64_t i = 0; i < image_tokens; ++i) content += vl_tokens::image_pad;
    content += vl_tokens::vision_end;
  }
  content += text;
  const ChatOptions chat{.system_prompt = options.system_prompt,
                         .force_think_block = options.force_think_block.value_or(!opens_block)};
  return format_prompt(content, chat) + std::string(opens_block ? think_opening : "");
}

const Qwen3VLConfig& VLEmbeddingExtractor::config() const { return impl_->config; }
const VLImageOptions& VLEmbeddingExtractor::image_options() const { return impl_->image_options; }
const Tokenizer& VLEmbeddingExtractor::tokenizer() const { return impl_->tokenizer; }
int64_t VLEmbeddingExtractor::hidden_size() const { return impl_->config.text.hidden_size; }
const std::vector<int64_t>& VLEmbeddingExtractor::stop_ids() const { return impl_->stop_ids; }
const std::string& VLEmbeddingExtractor::model_variant() const { return impl_->variant; }
const std::vector<std::string>& VLEmbeddingExtractor::unused_weights() const { return impl_->unused; }
const fs::path& VLEmbeddingExtractor::path() const { return impl_->path; }

bool VLEmbeddingExtractor::is_loaded() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->loaded != nullptr;
}

std::shared_ptr<const void> VLEmbeddingExtractor::defer_unload() const {
  {
    const std::lock_guard lock(impl_->mutex);
    ++impl_->keepers;
  }
  return {impl_.get(), [impl = impl_](const void*) {
            const auto unloading = impl->unload_afterwards();
            const std::lock_guard lock(impl->mutex);
            --impl->keepers;
          }};
}

void VLEmbeddingExtractor::unload() const { impl_->free(/*for_good=*/true); }

}  // namespace llmdit
