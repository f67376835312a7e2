#include "text/byte_level_bpe.hpp"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "text/byte_alphabet.hpp"

namespace llmdit::text {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

uint64_t make_pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t hash_pair(uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15u;
  return static_cast<size_t>(pair ^ pair >> 32);
}

}  // namespace

ByteLevelBpe::ByteLevelBpe(std::vector<std::optional<std::string>> tokens,
                           std::span<const std::pair<std::string, std::string>> merges, bool ignore_merges,
                           const Source& source)
    : tokens_(std::move(tokens)), ignore_merges_(ignore_merges) {
  ids_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id] && !ids_.emplace(*tokens_[id], static_cast<int32_t>(id)).second) {
      fail(ErrorCode::unsupported, "tokenizer", "{}: expected each token once in \"{}\", got \"{}\" twice", source.file,
           source.vocab_key, io::printable(*tokens_[id]));
    }
  }
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const char value = static_cast<char>(byte);
    byte_ids_[byte] = static_cast<int32_t>(token_to_id(spell_bytes({&value, 1})).value_or(-1));
  }

  merges_.resize(std::bit_ceil(2 * merges.size() + 1));
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const auto id_of = [&](const std::string& token) {
      const auto found = ids_.find(token);
      if (found == ids_.end()) {
        fail(
            ErrorCode::unsupported, "tokenizer",
            "{}: expected \"{}\" of vocabulary tokens, got \"{}\" and \"{}\" at entry {} but no token \"{}\"; the file "
            "is damaged",
            source.file, source.merges_key, io::printable(left), io::printable(right), rank, io::printable(token));
      }
      return found->second;
    };
    joined.assign(left).append(right);
    add_merge({make_pair_key(id_of(left), id_of(right)), static_cast<int32_t>(rank), id_of(joined)});
  }
}

void ByteLevelBpe::add_merge(const Merge& merge) {
  size_t slot = hash_pair(merge.pair) & (merges_.size() - 1);
  while (merges_[slot].rank >= 0 && merges_[slot].pair != merge.pair) slot = (slot + 1) & (merges_.size() - 1);
  merges_[slot] = merge;  // a repeated merge counts by its last rank, as in the reference
}

const ByteLevelBpe::Merge* ByteLevelBpe::find_merge(int32_t left, int32_t right) const {
  const uint64_t pair = make_pair_key(left, right);
  for (size_t slot = hash_pair(pair) & (merges_.size() - 1);; slot = (slot + 1) & (merges_.size() - 1)) {
    const Merge& merge = merges_[slot];
    if (merge.rank < 0) return nullptr;
    if (merge.pair == pair) return &merge;
  }
}

void ByteLevelBpe::append_word(std::string_view word, Scratch& scratch, std::vector<int64_t>& ids) const {
  if (ignore_merges_) {
    if (const auto id = token_to_id(spell_bytes(word))) {
      ids.push_back(*id);
      return;
    }
  }
  auto& symbols = scratch.symbols;
  symbols.clear();
  for (const char byte : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id < 0) continue;
    const auto at = static_cast<uint32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1, nullptr});  // at - 1 is kNone for the first
  }
  if (symbols.empty()) return;
  symbols.back().next = kNone;
  merge_symbols(scratch);
  for (uint32_t at = 0; at != kNone; at = symbols[at].next) ids.push_back(symbols[at].id);
}

void ByteLevelBpe::merge_symbols(Scratch& scratch) const {
  auto& [symbols, queue] = scratch;
  queue.clear();
  const auto find_next_merge = [&](uint32_t at) {
    const uint32_t next = symbols[at].next;
    const Merge* merge = next == kNone ? nullptr : find_merge(symbols[at].id, symbols[next].id);
    symbols[at].merge = merge;
    return merge;
  };
  const auto entry = [](const Merge* merge, uint32_t at) { return static_cast<uint64_t>(merge->rank) << 32 | at; };

  for (uint32_t at = 0; at < symbols.size(); ++at) {
    if (const Merge* merge = find_next_merge(at)) queue.push_back(entry(merge, at));
  }
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  const auto enqueue = [&](uint32_t at) {
    if (const Merge* merge = find_next_merge(at)) {
      queue.push_back(entry(merge, at));
      std::push_heap(queue.begin(), queue.end(), std::greater<>());
    }
  };
  while (!queue.empty()) {
    const uint64_t top = queue.front();
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    queue.pop_back();
    const auto at = static_cast<uint32_t>(top);
    const Merge* merge = symbols[at].merge;
    if (merge == nullptr || entry(merge, at) != top) continue;  // the symbol or its neighbour has changed since
    const uint32_t absorbed = symbols[at].next;
    symbols[at].id = merge->id;
    symbols[at].next = symbols[absorbed].next;
    symbols[absorbed].merge = nullptr;
    if (symbols[at].next != kNone) symbols[symbols[at].next].previous = at;
    enqueue(at);
    if (symbols[at].previous != kNone) enqueue(symbols[at].previous);
  }
}

std::optional<int64_t> ByteLevelBpe::token_to_id(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* ByteLevelBpe::id_to_token(int64_t id) const {
  if (id < 0 || id >= vocab_size()) return nullptr;
  const auto& token = tokens_[static_cast<size_t>(id)];
  return token ? &*token : nullptr;
}

bool ByteLevelBpe::covers_all_bytes() const {
  return std::none_of(byte_ids_.begin(), byte_ids_.end(), [](int32_t id) { return id < 0; });
}

}  // namespace llmdit::text
