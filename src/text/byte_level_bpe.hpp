#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llmdit::text {

/// Byte pair encoding: a word starts as its bytes, and the neighbours whose merge ranks first join until none can.
/// Takes n log n time for a word of n bytes.
class ByteLevelBpe {
 public:
  /// Where tokens and merges come from, for messages.
  struct Source {
    std::string_view file, vocab_key, merges_key;
  };

  struct Merge {
    uint64_t pair = 0;  ///< left id and right id
    int32_t rank = -1;  ///< -1: an empty slot
    int32_t id = 0;     ///< of the joined token
  };

  /// What one `append_word` leaves for the next to use again; belongs to one thread.
  struct Scratch {
    struct Symbol {
      int32_t id;
      uint32_t previous;
      uint32_t next;
      const Merge* merge;  ///< with the next symbol
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> queue;  ///< rank and position, the lowest on top
  };

  /// `tokens[id]` is the spelling of each token, nothing for an id without one. Throws unsupported, naming `source`,
  /// for a token that stands there twice and for a merge whose parts or result are no tokens.
  ByteLevelBpe(std::vector<std::optional<std::string>> tokens,
               std::span<const std::pair<std::string, std::string>> merges, bool ignore_merges, const Source& source);
  ByteLevelBpe(ByteLevelBpe&&) = default;
  ByteLevelBpe& operator=(ByteLevelBpe&&) = default;

  /// Appends the ids of one word. Bytes without a token are left out, as the reference does.
  void append_word(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const;

  std::optional<int64_t> token_to_id(std::string_view token) const;
  /// The spelling, or nullptr.
  const std::string* id_to_token(int64_t id) const;
  int64_t vocab_size() const { return static_cast<int64_t>(tokens_.size()); }
  /// Whether every byte has a token.
  bool covers_all_bytes() const;

 private:
  const Merge* find_merge(int32_t left, int32_t right) const;
  void add_merge(const Merge& merge);
  void merge_symbols(Scratch& scratch) const;

  std::vector<std::optional<std::string>> tokens_;
  std::unordered_map<std::string_view, int32_t> ids_;  // keys live in tokens_
  std::array<int32_t, 256> byte_ids_{};                // -1: none
  std::vector<Merge> merges_;                          // open addressing, a power of two
  bool ignore_merges_ = false;
};

}  // namespace llmdit::text
