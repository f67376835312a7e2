#include "text/sentencepiece_tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <charconv>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"

namespace llmdit::text {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

absl::string_view as_absl(std::string_view text) { return {text.data(), text.size()}; }

void check_status(const sentencepiece::util::Status& status, std::string_view action) {
  if (!status.ok()) fail(ErrorCode::internal, "tokenizer", "SentencePiece cannot {}: {}", action, status.ToString());
}

}  // namespace

SentencePieceTokenizer SentencePieceTokenizer::load(const std::filesystem::path& file) {
  const std::string bytes = io::read_text_file(file);
  auto processor = std::make_shared<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(as_absl(bytes));
  if (!status.ok() || processor->GetPieceSize() == 0) {
    fail(ErrorCode::unsupported, "tokenizer",
         "{}: expected a SentencePiece model, got {}; the file is damaged or of another kind", io::printable_path(file),
         status.ok() ? "one without pieces" : status.ToString());
  }
  SentencePieceTokenizer tokenizer;
  tokenizer.processor_ = std::move(processor);
  return tokenizer;
}

std::vector<int64_t> SentencePieceTokenizer::encode(std::string_view text) const {
  std::vector<int> ids;
  check_status(processor_->Encode(as_absl(text), &ids), "encode this text");
  return {ids.begin(), ids.end()};
}

std::string SentencePieceTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string text;
  std::vector<int> run;
  const auto flush = [&] {
    if (run.empty()) return;
    std::string decoded;
    check_status(processor_->Decode(run, &decoded), "decode these ids");
    text += decoded;
    run.clear();
  };
  for (const int64_t wide_id : ids) {
    if (wide_id >= vocab_size()) continue;
    const int id = static_cast<int>(wide_id);
    const bool is_special = processor_->IsControl(id) || processor_->IsUnknown(id);
    if (is_special && skip_special_tokens) continue;
    if (processor_->IsControl(id)) {
      flush();
      text += processor_->IdToPiece(id);
    } else {
      run.push_back(id);
    }
  }
  flush();
  return text;
}

std::optional<int64_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  const int id = processor_->PieceToId(as_absl(token));
  // Every text that is no piece has the unknown piece's id.
  if (processor_->IsUnknown(id) && processor_->IdToPiece(id) != token) return std::nullopt;
  return id;
}

std::optional<std::string> SentencePieceTokenizer::id_to_token(int64_t wide_id) const {
  if (wide_id < 0 || wide_id >= vocab_size()) return std::nullopt;
  const int id = static_cast<int>(wide_id);
  const std::string_view piece = processor_->IdToPiece(id);
  std::string token;
  if (processor_->IsByte(id)) {  // "<0x41>"
    unsigned byte = 0;
    std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    token = static_cast<char>(byte);
    return token;
  }
  for (size_t at = 0; at < piece.size();) {
    const bool is_mark = piece.substr(at).starts_with(kSpaceMark);
    token += is_mark ? ' ' : piece[at];
    at += is_mark ? kSpaceMark.size() : 1;
  }
  return token;
}

int64_t SentencePieceTokenizer::vocab_size() const { return processor_->GetPieceSize(); }

}  // namespace llmdit::text
