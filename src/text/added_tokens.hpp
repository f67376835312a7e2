#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmdit::text {

/// A token that is cut out of the text before anything else is done to it.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool is_special = false;     ///< left out by skip_special_tokens
  bool is_normalized = false;  ///< looked for in the normalised text, after the others
  bool strips_left = false;    ///< takes the white space before it along
  bool strips_right = false;   ///< and that behind it
};

/// Finds a set of added tokens in text: the longest at the leftmost place, exactly as spelled.
class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  struct Piece {
    std::string_view text;
    std::optional<int64_t> id;  ///< nothing for text between added tokens
  };

  /// The pieces of valid UTF-8 `text`, in order, none without both text and id.
  std::vector<Piece> cut(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  std::array<bool, 256> starts_{};  // the tokens' first bytes
};

}  // namespace llmdit::text
