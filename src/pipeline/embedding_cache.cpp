#include "llmdit/embedding_cache.hpp"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "io/path_kind.hpp"
#include "io/sha256.hpp"
#include "llmdit/embedding_file.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCacheOperation = "embedding_cache";
constexpr const char* kSuffix = ".safetensors";
constexpr size_t kFolderDigits = 32;  // of a fingerprint: one folder an encoder

uint64_t bytes_of(const EncodingOutput& entry) {
  uint64_t bytes = 0;
  for (const at::Tensor& embeddings : entry.embeddings) bytes += embeddings.nbytes();
  return bytes;
}

/// Tensors of their own, which nobody who holds the original can change.
EncodingOutput copy_of(const EncodingOutput& entry) {
  const c10::InferenceMode off(false);
  EncodingOutput copy = entry;
  for (at::Tensor& embeddings : copy.embeddings) embeddings = embeddings.detach().to(at::kCPU).clone();
  return copy;
}

void check_key(const std::string& key) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '/'; };
  check(!key.empty() && key.size() <= 200 && key.front() != '/' && std::ranges::all_of(key, is_plain), kCacheOperation,
        "expected a key of up to 200 letters, digits, '-', '_' and '/', got \"{}\"", io::printable(key));
}

/// Adds what one text gave to the output of several.
void append(EncodingOutput& output, EncodingOutput one) {
  const auto move_all = [](auto& from, auto& to) { std::ranges::move(from, std::back_inserter(to)); };
  move_all(one.embeddings, output.embeddings);
  move_all(one.token_counts, output.token_counts);
  move_all(one.formatted_prompts, output.formatted_prompts);
  move_all(one.warnings, output.warnings);
  output.metadata.merge(one.metadata);
}

bool holds_entries(const fs::path& folder) {
  std::error_code ignored;
  return std::ranges::any_of(fs::directory_iterator(folder, ignored),
                             [](const fs::directory_entry& entry) { return entry.path().extension() == kSuffix; });
}

/// The folder, or those inside it, that hold the entries of one encoder each.
std::vector<fs::path> folders_with_entries(const fs::path& root) {
  if (holds_entries(root)) return {root};
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, ignored)) {
    if (entry.is_directory(ignored) && holds_entries(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

/// Whether an entry is the embedding of this text, as far as it tells.
bool is_of(const EncodingOutput& entry, const std::string& text) {
  if (entry.embeddings.size() != 1) return false;
  return entry.formatted_prompts.empty() || entry.formatted_prompts == std::vector<std::string>{text};
}

}  // namespace

double EmbeddingCacheStats::hit_rate() const {
  const uint64_t asked = hits + misses;
  return asked == 0 ? 0.0 : 100.0 * static_cast<double>(hits) / static_cast<double>(asked);
}

struct EmbeddingCache::Impl {
  struct Entry {
    std::string key;
    EncodingOutput value;
    uint64_t bytes;
  };

  explicit Impl(EmbeddingCacheOptions given) : options(std::move(given)) {}

  bool is_enabled() const { return options.max_entries > 0 || !options.folder.empty(); }
  fs::path file_of(const std::string& key) const { return options.folder / (key + kSuffix); }

  void check_open() const {
    const std::lock_guard lock(mutex);
    check(!is_closed, kCacheOperation, "expected a cache, but it was closed; make another one");
  }

  std::optional<EncodingOutput> in_memory(const std::string& key) {
    const auto found = places.find(key);
    if (found == places.end()) return std::nullopt;
    entries.splice(entries.begin(), entries, found->second);
    return found->second->value;
  }

  /// Nothing where there is no such file; `damage` says why one that is there cannot be read.
  std::optional<EncodingOutput> in_folder(const std::string& key, std::string& damage) const {
    if (options.folder.empty() || !io::is_file(file_of(key))) return std::nullopt;
    try {
      return load_embeddings(file_of(key));
    } catch (const Error& error) {
      damage = error.what();
      return std::nullopt;
    }
  }

  void keep(const std::string& key, EncodingOutput value) {
    const uint64_t bytes = bytes_of(value);
    if (is_closed || options.max_entries == 0 || bytes > options.max_bytes) return;
    if (const auto found = places.find(key); found != places.end()) drop(found->second);
    while (!entries.empty() && (static_cast<int64_t>(entries.size()) >= options.max_entries ||
                                stats.current_bytes + bytes > options.max_bytes)) {
      drop(std::prev(entries.end()));
      ++stats.evictions;
    }
    entries.push_front({key, std::move(value), bytes});
    places[key] = entries.begin();
    stats.current_bytes += bytes;
  }

  void drop(std::list<Entry>::iterator entry) {
    stats.current_bytes -= entry->bytes;
    places.erase(entry->key);
    entries.erase(entry);
  }

  std::optional<EncodingOutput> get(const std::string& key, std::string& damage) {
    check_key(key);
    check_open();
    if (!is_enabled()) return std::nullopt;
    {
      const std::lock_guard lock(mutex);
      if (auto found = in_memory(key)) {
        ++stats.hits;
        return found;
      }
    }
    auto found = in_folder(key, damage);
    const std::lock_guard lock(mutex);
    if (!damage.empty()) ++stats.damaged;
    if (!found) {
      ++stats.misses;
      return std::nullopt;
    }
    ++stats.hits;
    ++stats.file_hits;
    keep(key, *found);
    return found;
  }

  EmbeddingCacheOptions options;
  mutable std::mutex mutex;
  std::list<Entry> entries;  // the one used last is the first
  std::unordered_map<std::string, std::list<Entry>::iterator> places;
  EmbeddingCacheStats stats;
  bool is_closed = false;
};

EmbeddingCache::EmbeddingCache(const EmbeddingCacheOptions& options) : impl_(std::make_unique<Impl>(options)) {
  check(options.max_entries >= 0, kCacheOperation, "expected max_entries of at least 0, got {}", options.max_entries);
}

EmbeddingCache::~EmbeddingCache() = default;

std::optional<EncodingOutput> EmbeddingCache::get(const std::string& key) {
  return translate_errors(kCacheOperation, [&] {
    std::string damage;
    auto found = impl_->get(key, damage);
    return found ? std::optional(copy_of(*found)) : std::nullopt;
  });
}

void EmbeddingCache::put(const std::string& key, const EncodingOutput& entry) {
  translate_errors(kCacheOperation, [&] {
    check_key(key);
    impl_->check_open();
    if (!impl_->is_enabled()) return;
    {
      EncodingOutput copy = copy_of(entry);
      const std::lock_guard lock(impl_->mutex);
      impl_->keep(key, std::move(copy));
    }
    if (!impl_->options.folder.empty()) {
      const fs::path file = impl_->file_of(key);
      std::error_code error;
      fs::create_directories(file.parent_path(), error);
      if (error) {
        fail(ErrorCode::not_found, kCacheOperation, "cannot make the folder {}: {}",
             io::printable_path(file.parent_path()), error.message());
      }
      save_embeddings(file, entry);
    }
  });
}

EncodingOutput EmbeddingCache::encode(std::string_view fingerprint, std::span<const std::string> texts,
                                      const EncodeOptions& options,
                                      const std::function<EncodingOutput(const std::string& text)>& encode) {
  return translate_errors(kCacheOperation, [&] {
    // What has been encoded is given out, whatever becomes of the cache.
    const auto try_put = [&](const std::string& key, const EncodingOutput& entry) -> std::string {
      try {
        put(key, entry);
        return "";
      } catch (const Error& error) {
        return error.what();
      }
    };
    EncodingOutput output;
    for (const std::string& text : texts) {
      check_stop(options.stop, kCacheOperation);
      if (fingerprint.empty()) {
        append(output, encode(text));
        continue;
      }
      const std::string key = embedding_key(fingerprint, text, options);
      std::string damage;
      std::optional<EncodingOutput> entry = impl_->get(key, damage);
      if (entry && !is_of(*entry, text)) {
        damage = "its file holds another text";
        entry.reset();
      }
      std::string lost;
      if (!entry) {
        entry = encode(text);
        lost = try_put(key, *entry);
      }
      append(output, copy_of(*entry));
      if (!lost.empty()) output.warnings.push_back("the cache does not keep this embedding: " + lost);
      if (!damage.empty()) output.warnings.push_back("encoded anew instead of read from the cache: " + damage);
    }
    return output;
  });
}

EmbeddingCacheStats EmbeddingCache::stats() const {
  const std::lock_guard lock(impl_->mutex);
  EmbeddingCacheStats stats = impl_->stats;
  stats.current_size = static_cast<int64_t>(impl_->entries.size());
  stats.max_size = impl_->options.max_entries;
  stats.max_bytes = impl_->options.max_bytes;
  return stats;
}

void EmbeddingCache::clear() {
  const std::lock_guard lock(impl_->mutex);
  impl_->entries.clear();
  impl_->places.clear();
  impl_->stats = {};
}

void EmbeddingCache::close() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->is_closed = true;
  }
  clear();
}

const EmbeddingCacheOptions& EmbeddingCache::options() const { return impl_->options; }

std::string embedding_key(std::string_view fingerprint, std::string_view text, const EncodeOptions& options) {
  // A new option does not compile here until it is a part of the key, or stands beside `stop`, which changes nothing.
  const auto& [hidden_layer, layer_weights, layer_spans, stop] = options;
  io::Sha256 hash;
  hash.update(layer_weights.empty() ? fmt::format("{}\n", hidden_layer) : to_string(layer_weights) + "\n");
  for (const LayerSpan& span : layer_spans) hash.update(to_string(span) + "\n");
  hash.update("\n");
  hash.update(text);
  return fmt::format("{}/{}", fingerprint.substr(0, kFolderDigits), hash.hex());
}

std::shared_ptr<EmbeddingCache> make_embedding_cache(const LoadOptions& options) {
  if (!options.enable_cache && !options.cache_folder) return nullptr;
  return std::make_shared<EmbeddingCache>(
      EmbeddingCacheOptions{.max_entries = options.cache_size,
                            .max_bytes = static_cast<uint64_t>(options.cache_megabytes) << 20,
                            .folder = options.cache_folder ? io::path_from_utf8(*options.cache_folder) : fs::path()});
}

CachedTextEncoder::CachedTextEncoder(std::shared_ptr<const TextEncoder> encoder, std::shared_ptr<EmbeddingCache> cache)
    : encoder_(std::move(encoder)), cache_(std::move(cache)) {
  check(cache_ != nullptr, kCacheOperation, "expected a cache, got none");
  if (encoder_) {
    fingerprint_ = encoder_->fingerprint();
    return;
  }
  const fs::path& root = cache_->options().folder;
  const std::vector<fs::path> found = root.empty() ? std::vector<fs::path>() : folders_with_entries(root);
  if (found.empty()) {
    fail(ErrorCode::not_found, kCacheOperation,
         "expected a folder with cached embeddings, as there is no text encoder, found none in {}; fill one on a "
         "machine "
         "with the encoder by --cache-folder (cache_folder)",
         root.empty() ? "the options" : io::printable_path(root));
  }
  std::vector<std::string> names;
  for (const fs::path& folder : found) names.push_back(io::printable_path(folder));
  check(
      found.size() == 1, kCacheOperation,
      "expected cached embeddings of one encoder, as there is none here, found those of {}; name one of the folders {}",
      found.size(), fmt::join(names, ", "));
  EmbeddingCacheOptions inside = cache_->options();
  inside.folder = fs::absolute(found.front()).lexically_normal();
  if (!inside.folder.has_filename()) inside.folder = inside.folder.parent_path();
  fingerprint_ = inside.folder.filename().string();
  inside.folder = inside.folder.parent_path();
  cache_ = std::make_shared<EmbeddingCache>(inside);
}

EncodingOutput CachedTextEncoder::encode(std::span<const std::string> texts, const EncodeOptions& options) const {
  return cache_->encode(fingerprint_, texts, options, [&](const std::string& text) -> EncodingOutput {
    if (encoder_) return encoder_->encode(std::span(&text, 1), options);
    fail(ErrorCode::not_found, kCacheOperation,
         "expected the embeddings of this text and these layers in {}, as there is no text encoder, found none; encode "
         "it "
         "on a machine with one: \"{}\"",
         io::printable_path(cache_->options().folder / fingerprint_), io::printable(text));
  });
}

int64_t CachedTextEncoder::hidden_size() const { return encoder_ ? encoder_->hidden_size() : 0; }

}  // namespace llmdit
