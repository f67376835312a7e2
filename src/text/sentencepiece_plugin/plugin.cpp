// A shared library of its own: see Note [SentencePiece apart].
#include <sentencepiece_processor.h>

#include "text/sentencepiece_engine.hpp"

namespace {

using llmdit::text::SentencePieceEngine;

absl::string_view as_absl(std::string_view text) { return {text.data(), text.size()}; }

std::string reason(const sentencepiece::util::Status& status) { return status.ok() ? "" : status.ToString(); }

class Engine final : public SentencePieceEngine {
 public:
  std::string load(std::string_view model) override {
    return reason(processor_.LoadFromSerializedProto(as_absl(model)));
  }
  std::string encode(std::string_view text, std::vector<int>& ids) const override {
    return reason(processor_.Encode(as_absl(text), &ids));
  }
  std::string decode(const std::vector<int>& ids, std::string& text) const override {
    return reason(processor_.Decode(ids, &text));
  }
  int size() const override { return processor_.GetPieceSize(); }
  std::string piece(int id) const override { return processor_.IdToPiece(id); }
  Kind kind(int id) const override {
    if (processor_.IsUnknown(id)) return Kind::unknown;
    if (processor_.IsControl(id)) return Kind::control;
    return processor_.IsByte(id) ? Kind::byte : Kind::piece;
  }
  int id_of(std::string_view piece) const override { return processor_.PieceToId(as_absl(piece)); }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) SentencePieceEngine* llmdit_make_sentencepiece_engine() {
  return new Engine;
}
