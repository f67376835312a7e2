#include "text/byte_level_tokenizer.hpp"

#include <algorithm>
#include <iterator>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/gguf_format.hpp"
#include "io/mapped_file.hpp"
#include "text/byte_alphabet.hpp"
#include "text/nfc.hpp"
#include "text/tokenizer_gguf.hpp"
#include "text/tokenizer_json.hpp"
#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

std::vector<AddedToken> select(const std::vector<AddedToken>& tokens, bool is_normalized) {
  std::vector<AddedToken> selected;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(selected),
               [&](const AddedToken& token) { return token.is_normalized == is_normalized; });
  return selected;
}

/// A normalised token is looked for in normalised text.
ByteLevelDescription with_normalized_tokens(ByteLevelDescription description) {
  for (AddedToken& token : description.added_tokens) {
    if (token.is_normalized && description.normalizes) token.content = nfc(token.content).value_or(token.content);
  }
  return description;
}

bool is_gguf(const std::filesystem::path& file) {
  const auto mapping = io::MappedFile::open(file);
  const auto bytes = mapping->bytes();
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(io::gguf_magic);
}

}  // namespace

ByteLevelTokenizer ByteLevelTokenizer::load(const std::filesystem::path& file) {
  const auto read = is_gguf(file) ? read_tokenizer_gguf : read_tokenizer_json;
  return ByteLevelTokenizer(with_normalized_tokens(read(file)), io::printable_path(file));
}

ByteLevelTokenizer::ByteLevelTokenizer(ByteLevelDescription description, std::string_view source)
    : bpe_(std::move(description.tokens), description.merges, description.ignore_merges,
           {source, description.keys.vocab, description.keys.merges}),
      split_(description.split_pattern, source),
      normalizes_(description.normalizes),
      raw_matcher_(select(description.added_tokens, false)),
      normalized_matcher_(select(description.added_tokens, true)) {
  if (description.has_fallback && !bpe_.covers_all_bytes()) {
    fail(ErrorCode::unsupported, "tokenizer",
         "{}: expected \"{}\" to have a token for each byte, or no \"unk_token\" and \"byte_fallback\"", source,
         description.keys.vocab);
  }
  for (AddedToken& token : description.added_tokens) {
    const auto id = bpe_.token_to_id(token.content);
    if (id && *id != token.id) {
      fail(ErrorCode::unsupported, "tokenizer",
           "{}: expected \"{}\" to give \"{}\" the id {} of \"{}\", got {}; the file is damaged", source,
           description.keys.added_tokens, io::printable(token.content), *id, description.keys.vocab, token.id);
    }
    added_ids_.emplace(token.content, token.id);
    added_tokens_.emplace(token.id, std::move(token));
  }
}

std::vector<int64_t> ByteLevelTokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  ByteLevelBpe::Scratch scratch;
  for (const auto& raw : raw_matcher_.cut(text)) {
    if (raw.id) {
      ids.push_back(*raw.id);
      continue;
    }
    const std::optional<std::string> normalized = normalizes_ ? nfc(raw.text) : std::nullopt;
    for (const auto& piece : normalized_matcher_.cut(normalized ? *normalized : raw.text)) {
      if (piece.id) {
        ids.push_back(*piece.id);
      } else {
        append_piece(piece.text, scratch, ids);
      }
    }
  }
  return ids;
}

void ByteLevelTokenizer::append_piece(std::string_view piece, ByteLevelBpe::Scratch& scratch,
                                      std::vector<int64_t>& ids) const {
  SplitRegex::Words words(split_, piece);
  while (const auto word = words.next()) bpe_.append_word(*word, scratch, ids);
}

std::string ByteLevelTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (skip_special_tokens) {
      const auto added = added_tokens_.find(id);
      if (added != added_tokens_.end() && added->second.is_special) continue;
    }
    bytes += id_to_token(id).value_or("");
  }
  // Only now: a character's bytes may be spread over tokens.
  return replace_invalid_utf8(bytes).value_or(bytes);
}

std::optional<int64_t> ByteLevelTokenizer::token_to_id(std::string_view token) const {
  const auto added = added_ids_.find(std::string(token));
  return added != added_ids_.end() ? added->second : bpe_.token_to_id(token);
}

std::optional<std::string> ByteLevelTokenizer::id_to_token(int64_t id) const {
  const auto added = added_tokens_.find(id);
  if (added != added_tokens_.end()) return spelled_bytes(added->second.content);
  const std::string* token = bpe_.id_to_token(id);
  if (token == nullptr) return std::nullopt;
  return spelled_bytes(*token);
}

int64_t ByteLevelTokenizer::vocab_size() const {
  int64_t size = bpe_.vocab_size();
  for (const auto& [id, token] : added_tokens_) size = std::max(size, id + 1);
  return size;
}

}  // namespace llmdit::text
