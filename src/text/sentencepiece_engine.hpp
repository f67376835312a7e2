#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llmdit::text {

/// Note [SentencePiece apart]
/// libsentencepiece and libtorch both export symbols such as FLAGS_minloglevel, of different types. Linked into one
/// program, the constructor of one overwrites the other's variables: libtorch then ends the process on the first failed
/// allocation. So the library is linked by a plugin of our own, which is opened, when a tokenizer.model is, with its
/// own symbols before the program's.

/// What the plugin offers of a SentencePieceProcessor. Texts given back are "" or the library's reason for a failure.
class SentencePieceEngine {
 public:
  enum class Kind { piece, unknown, control, byte };

  virtual ~SentencePieceEngine() = default;
  virtual std::string load(std::string_view model) = 0;
  virtual std::string encode(std::string_view text, std::vector<int>& ids) const = 0;
  virtual std::string decode(const std::vector<int>& ids, std::string& text) const = 0;
  virtual int size() const = 0;
  virtual std::string piece(int id) const = 0;
  virtual Kind kind(int id) const = 0;
  /// The unknown piece's id for a text that is no piece.
  virtual int id_of(std::string_view piece) const = 0;
};

/// The plugin's one function.
using MakeSentencePieceEngine = SentencePieceEngine* (*)();
inline constexpr const char* make_engine_symbol = "llmdit_make_sentencepiece_engine";

}  // namespace llmdit::text
