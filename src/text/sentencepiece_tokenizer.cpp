#include "text/sentencepiece_tokenizer.hpp"

#include <dlfcn.h>

#include <charconv>

#include "base/check.hpp"
#include "base/library_folder.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"

namespace llmdit::text {
namespace {

// GCC and clang tell it in different ways.
#if defined(__SANITIZE_ADDRESS__)
#define LLMDIT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LLMDIT_ADDRESS_SANITIZER
#endif
#endif

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

using PieceKind = SentencePieceEngine::Kind;

/// Opens the plugin once; it stays open, as a processor's code must outlive it.
MakeSentencePieceEngine open_plugin() {
  int mode = RTLD_NOW | RTLD_LOCAL;
#ifndef LLMDIT_ADDRESS_SANITIZER  // which cannot follow it
  mode |= RTLD_DEEPBIND;
#endif
  const std::string path = (library_folder() / LLMDIT_SENTENCEPIECE_PLUGIN).string();
  void* plugin = dlopen(path.c_str(), mode);
  if (!plugin)
    fail(ErrorCode::not_found, "tokenizer", "cannot load the SentencePiece plugin: {}; install it beside the library",
         dlerror());
  void* symbol = dlsym(plugin, make_engine_symbol);
  if (!symbol) fail(ErrorCode::unsupported, "tokenizer", "{} is not this library's SentencePiece plugin", path);
  return reinterpret_cast<MakeSentencePieceEngine>(symbol);
}

std::shared_ptr<SentencePieceEngine> make_engine() {
  static const MakeSentencePieceEngine make = open_plugin();
  return std::shared_ptr<SentencePieceEngine>(make());
}

void check_done(const std::string& problem, std::string_view action) {
  if (!problem.empty()) fail(ErrorCode::internal, "tokenizer", "SentencePiece cannot {}: {}", action, problem);
}

}  // namespace

SentencePieceTokenizer SentencePieceTokenizer::load(const std::filesystem::path& file) {
  const std::string bytes = io::read_text_file(file);
  const auto engine = make_engine();
  const std::string problem = engine->load(bytes);
  if (!problem.empty() || engine->size() == 0) {
    fail(ErrorCode::unsupported, "tokenizer",
         "{}: expected a SentencePiece model, got {}; the file is damaged or of another kind", io::printable_path(file),
         problem.empty() ? "one without pieces" : problem);
  }
  SentencePieceTokenizer tokenizer;
  tokenizer.engine_ = engine;
  return tokenizer;
}

std::vector<int64_t> SentencePieceTokenizer::encode(std::string_view text) const {
  std::vector<int> ids;
  check_done(engine_->encode(text, ids), "encode this text");
  return {ids.begin(), ids.end()};
}

std::string SentencePieceTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string text;
  std::vector<int> run;
  const auto flush = [&] {
    if (run.empty()) return;
    std::string decoded;
    check_done(engine_->decode(run, decoded), "decode these ids");
    text += decoded;
    run.clear();
  };
  for (const int64_t wide_id : ids) {
    if (wide_id >= vocab_size()) continue;
    const int id = static_cast<int>(wide_id);
    const PieceKind kind = engine_->kind(id);
    const bool is_special = kind == PieceKind::control || kind == PieceKind::unknown;
    if (is_special && skip_special_tokens) continue;
    if (kind == PieceKind::control) {
      flush();
      text += engine_->piece(id);
    } else {
      run.push_back(id);
    }
  }
  flush();
  return text;
}

std::optional<int64_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  const int id = engine_->id_of(token);
  // Every text that is no piece has the unknown piece's id.
  if (engine_->kind(id) == PieceKind::unknown && engine_->piece(id) != token) return std::nullopt;
  return id;
}

std::optional<std::string> SentencePieceTokenizer::id_to_token(int64_t wide_id) const {
  if (wide_id < 0 || wide_id >= vocab_size()) return std::nullopt;
  const int id = static_cast<int>(wide_id);
  const std::string piece = engine_->piece(id);
  std::string token;
  if (engine_->kind(id) == PieceKind::byte) {  // "<0x41>"
    unsigned byte = 0;
    std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    token = static_cast<char>(byte);
    return token;
  }
  for (size_t at = 0; at < piece.size();) {
    const bool is_mark = std::string_view(piece).substr(at).starts_with(kSpaceMark);
    token += is_mark ? ' ' : piece[at];
    at += is_mark ? kSpaceMark.size() : 1;
  }
  return token;
}

int64_t SentencePieceTokenizer::vocab_size() const { return engine_->size(); }

}  // namespace llmdit::text
