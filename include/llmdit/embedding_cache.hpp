#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "llmdit/export.hpp"
#include "llmdit/load_options.hpp"
#include "llmdit/text_encoder.hpp"

namespace llmdit {

struct EmbeddingCacheOptions {
  int64_t max_entries = 100;                  ///< in memory; 0 keeps none there
  uint64_t max_bytes = uint64_t{1024} << 20;  ///< of the entries in memory
  std::filesystem::path folder{};             ///< where entries are kept as files of embeddings, too; empty: nowhere
};

struct EmbeddingCacheStats {
  uint64_t hits = 0;       ///< from memory or from files
  uint64_t file_hits = 0;  ///< of these, from files
  uint64_t misses = 0;
  uint64_t evictions = 0;    ///< from memory
  uint64_t damaged = 0;      ///< files that could not be read; each is a miss
  int64_t current_size = 0;  ///< entries in memory
  int64_t max_size = 0;
  uint64_t current_bytes = 0;
  uint64_t max_bytes = 0;

  /// Percent; 0 before the first look-up.
  LLMDIT_EXPORT double hit_rate() const;
};

/// The embeddings of texts by keys that name all that they depend on: those used last in memory, all of them in a
/// folder where one is given. Entries are copied on their way in and out. All calls may run on many threads at once.
class LLMDIT_EXPORT EmbeddingCache {
 public:
  /// Throws invalid_argument for negative limits.
  explicit EmbeddingCache(const EmbeddingCacheOptions& options = {});
  ~EmbeddingCache();
  EmbeddingCache(const EmbeddingCache&) = delete;
  EmbeddingCache& operator=(const EmbeddingCache&) = delete;

  /// The entry of one text. Keys are of letters, digits, '-', '_' and '/': they name files. A file that is damaged is
  /// not found.
  std::optional<EncodingOutput> get(const std::string& key);

  /// Throws not_found when the folder cannot be written to.
  void put(const std::string& key, const EncodingOutput& entry);

  /// The texts' embeddings: those that are there, and the others by `encode`, which is called with one text at a time.
  /// `fingerprint` is that of the encoder; without one nothing is looked up or kept.
  EncodingOutput encode(std::string_view fingerprint, std::span<const std::string> texts, const EncodeOptions& options,
                        const std::function<EncodingOutput(const std::string& text)>& encode);

  EmbeddingCacheStats stats() const;
  /// Empties the memory and sets the counts back; files stay.
  void clear();

  /// Frees the memory for good; what needs the cache throws invalid_argument from then on. Files stay.
  void close();

  const EmbeddingCacheOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The key of a text's embeddings: the encoder's fingerprint, the text and all options that change them.
LLMDIT_EXPORT std::string embedding_key(std::string_view fingerprint, std::string_view text,
                                        const EncodeOptions& options);

/// The cache that the options ask for; null for none.
LLMDIT_EXPORT std::shared_ptr<EmbeddingCache> make_embedding_cache(const LoadOptions& options);

/// An encoder behind a cache; without an encoder, what is in the cache's folder is all there is, so that a machine
/// needs no encoder for prompts that were encoded elsewhere.
class LLMDIT_EXPORT CachedTextEncoder final : public TextEncoder {
 public:
  /// `encoder` may be null: then the folder must hold the entries of one encoder. Throws not_found for an empty folder,
  /// invalid_argument for one with entries of several, naming their folders.
  CachedTextEncoder(std::shared_ptr<const TextEncoder> encoder, std::shared_ptr<EmbeddingCache> cache);

  /// Throws not_found for a text that is not there, where there is no encoder.
  EncodingOutput encode(std::span<const std::string> texts, const EncodeOptions& options = {}) const override;
  int64_t hidden_size() const override;
  std::string fingerprint() const override { return fingerprint_; }

  const std::shared_ptr<EmbeddingCache>& cache() const { return cache_; }

 private:
  std::shared_ptr<const TextEncoder> encoder_;
  std::shared_ptr<EmbeddingCache> cache_;
  std::string fingerprint_;
};

}  // namespace llmdit
