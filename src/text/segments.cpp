#include "text/segments.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

bool is_any_of(char32_t c, std::u32string_view set) { return set.find(c) != set.npos; }

bool is_line_break(char32_t c) { return is_any_of(c, U"\n\r\u2028\u2029"); }
bool is_blank(char32_t c) { return is_line_break(c) || is_any_of(c, U" \t\v\f\u00A0\u3000"); }
bool is_closing(char32_t c) { return is_any_of(c, U"\"')]}\u2019\u201D\u00BB\u300D\u300F\uFF09\u3011"); }

// Scripts without blanks between sentences have stops of their own, which need none behind them.
constexpr std::u32string_view sentence_stops = U".!?\u2026\u0964\u06D4\u061F";
constexpr std::u32string_view wide_sentence_stops = U"\u3002\uFF01\uFF1F\uFF61";
constexpr std::u32string_view clause_stops = U",;:\u2014\u060C\u061B";
constexpr std::u32string_view wide_clause_stops = U"\uFF0C\u3001\uFF1B\uFF1A";

/// What has been read of a piece, as far as it tells where the piece ends.
struct Tail {
  bool stop = false;       ///< a stop, and nothing but closing marks and blanks since
  bool wide_stop = false;  ///< likewise one that needs no blank
  bool blank = false;      ///< the last character is a blank
  bool line_break = false;

  void read(char32_t c, std::u32string_view stops, std::u32string_view wide_stops) {
    blank = is_blank(c);
    if (is_any_of(c, stops) || is_any_of(c, wide_stops)) {
      stop = true;
      wide_stop = wide_stop || is_any_of(c, wide_stops);
    } else if (!blank && !is_closing(c)) {
      *this = {};
    }
    line_break = line_break || is_line_break(c);
  }
};

bool ends_before(char32_t next, const Tail& tail, Break place) {
  if (place == Break::character) return true;
  if (is_blank(next)) return false;  // it belongs to the piece before it
  if (tail.line_break) return true;
  if (place == Break::word) return tail.blank;
  return tail.stop && (tail.blank || (tail.wide_stop && !is_closing(next)));
}

/// Pieces of at most `most` tokens, cut no worse than needed.
struct Piece {
  std::string_view text;
  int64_t tokens;
};

void add_pieces(std::vector<Piece>& pieces, std::string_view text, Break place, int64_t most,
                const CountTokens& count) {
  for (const std::string_view part : split_at(place, text)) {
    const int64_t tokens = count(part);
    if (tokens <= most || place == Break::character) {
      pieces.push_back({part, tokens});
    } else {
      add_pieces(pieces, part, static_cast<Break>(static_cast<int>(place) + 1), most, count);
    }
  }
}

}  // namespace

std::vector<std::string_view> split_at(Break place, std::string_view text) {
  const bool clauses = place == Break::clause;
  std::vector<std::string_view> pieces;
  Tail tail;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [code_point, length] = next_code_point(text, at);
    if (at > begin && ends_before(code_point, tail, place)) {
      pieces.push_back(text.substr(begin, at - begin));
      begin = at;
      tail = {};
    }
    tail.read(code_point, clauses ? clause_stops : sentence_stops, clauses ? wide_clause_stops : wide_sentence_stops);
    at += length;
  }
  if (begin < text.size()) pieces.push_back(text.substr(begin));
  return pieces;
}

std::vector<std::string_view> split_into_groups(std::string_view text, int64_t most, const CountTokens& count) {
  std::vector<Piece> pieces;
  add_pieces(pieces, text, Break::sentence, most, count);
  int64_t left = 0;
  for (const Piece& piece : pieces) left += piece.tokens;

  std::vector<std::string_view> groups;
  for (size_t i = 0; i < pieces.size();) {
    const char* begin = pieces[i].text.data();
    const int64_t groups_left = std::max<int64_t>(1, (left + most - 1) / most),
                  share = (left + groups_left - 1) / groups_left;
    int64_t tokens = 0;
    const char* end = begin;
    for (; i < pieces.size() && (end == begin || (tokens < share && tokens + pieces[i].tokens <= most)); ++i) {
      tokens += pieces[i].tokens;
      end = pieces[i].text.data() + pieces[i].text.size();
    }
    left -= tokens;
    groups.emplace_back(begin, static_cast<size_t>(end - begin));
  }
  return groups;
}

}  // namespace llmdit::text
