#include "text/unicode_versions.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// clang-format off: tables
// Gaps that held nothing in Unicode 9 are bridged.
constexpr Range kNewerThanUnicode9[] = {
    {0x05C8, 0x05C9}, {0x07FD, 0x07FD}, {0x0897, 0x089F}, {0x08CA, 0x08D3}, {0x09FE, 0x09FE}, {0x0C3C, 0x0C3C},
    {0x0D3B, 0x0D3C}, {0x0EBA, 0x0EBA}, {0x1715, 0x1715}, {0x1ABF, 0x1AF0}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C},
    {0x105C9, 0x105E4}, {0x10D24, 0x10D6D}, {0x10EAB, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x11383, 0x113D0}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11A99}, {0x11D42, 0x11F42},
    {0x1611E, 0x1612F}, {0x16D63, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1D127, 0x1D128}, {0x1D250, 0x1D281},
    {0x1E08F, 0x1E6F5},
};
// clang-format on

/// Old code points of one category, three and four bytes long.
struct StandIn {
  char32_t three_bytes;
  char32_t four_bytes;
};

constexpr StandIn kUpper{0x13A0, 0x10400};
constexpr StandIn kLower{0x1D00, 0x10428};
constexpr StandIn kModifier{0xA4F8, 0x16B40};
constexpr StandIn kLetter{0x4E00, 0x20000};
constexpr StandIn kMark{0x1CD0, 0x1D167};
constexpr StandIn kDigit{0x0966, 0x104A0};
constexpr StandIn kNumber{0x2460, 0x10107};
constexpr StandIn kPunctuation{0x0964, 0x10100};
constexpr StandIn kSymbol{0x2600, 0x1F300};
constexpr StandIn kFormat{0x200B, 0xE0001};

struct Override {
  char32_t first;
  char32_t last;
  StandIn stand_in;
};

// clang-format off: tables
// U+180E has its right category in PCRE2, which yet counts it among the white space.
constexpr Override kOverrides[] = {
    {0x0897, 0x0897, kMark}, {0x0CF3, 0x0CF3, kMark}, {0x0ECE, 0x0ECE, kMark}, {0x180E, 0x180E, kFormat},
    {0x1B4E, 0x1B4F, kPunctuation}, {0x1B7F, 0x1B7F, kPunctuation}, {0x1C89, 0x1C89, kUpper}, {0x1C8A, 0x1C8A, kLower},
    {0x2427, 0x2429, kSymbol}, {0x2FFC, 0x2FFF, kSymbol}, {0x31E4, 0x31E5, kSymbol}, {0x31EF, 0x31EF, kSymbol},
    {0xA7CB, 0xA7CC, kUpper}, {0xA7CD, 0xA7CD, kLower}, {0xA7DA, 0xA7DA, kUpper}, {0xA7DB, 0xA7DB, kLower},
    {0xA7DC, 0xA7DC, kUpper}, {0x105C0, 0x105F3, kLetter}, {0x10D40, 0x10D49, kDigit}, {0x10D4A, 0x10D4D, kLetter},
    {0x10D4E, 0x10D4E, kModifier}, {0x10D4F, 0x10D4F, kLetter}, {0x10D50, 0x10D65, kUpper}, {0x10D69, 0x10D6D, kMark},
    {0x10D6E, 0x10D6E, kPunctuation}, {0x10D6F, 0x10D6F, kModifier}, {0x10D70, 0x10D85, kLower},
    {0x10D8E, 0x10D8F, kSymbol}, {0x10EC2, 0x10EC4, kLetter}, {0x10EFC, 0x10EFF, kMark}, {0x1123F, 0x11240, kLetter},
    {0x11241, 0x11241, kMark}, {0x11380, 0x11389, kLetter}, {0x1138B, 0x1138B, kLetter}, {0x1138E, 0x1138E, kLetter},
    {0x11390, 0x113B5, kLetter}, {0x113B7, 0x113B7, kLetter}, {0x113B8, 0x113C0, kMark}, {0x113C2, 0x113C2, kMark},
    {0x113C5, 0x113C5, kMark}, {0x113C7, 0x113CA, kMark}, {0x113CC, 0x113D0, kMark}, {0x113D1, 0x113D1, kLetter},
    {0x113D2, 0x113D2, kMark}, {0x113D3, 0x113D3, kLetter}, {0x113D4, 0x113D5, kPunctuation},
    {0x113D7, 0x113D8, kPunctuation}, {0x113E1, 0x113E2, kMark}, {0x116D0, 0x116E3, kDigit},
    {0x11B00, 0x11B09, kPunctuation}, {0x11BC0, 0x11BE0, kLetter}, {0x11BE1, 0x11BE1, kPunctuation},
    {0x11BF0, 0x11BF9, kDigit}, {0x11F00, 0x11F01, kMark}, {0x11F02, 0x11F02, kLetter}, {0x11F03, 0x11F03, kMark},
    {0x11F04, 0x11F10, kLetter}, {0x11F12, 0x11F33, kLetter}, {0x11F34, 0x11F3A, kMark}, {0x11F3E, 0x11F42, kMark},
    {0x11F43, 0x11F4F, kPunctuation}, {0x11F50, 0x11F59, kDigit}, {0x11F5A, 0x11F5A, kMark},
    {0x1342F, 0x1342F, kLetter}, {0x13439, 0x1343F, kFormat}, {0x13440, 0x13440, kMark}, {0x13441, 0x13446, kLetter},
    {0x13447, 0x13455, kMark}, {0x13460, 0x143FA, kLetter}, {0x16100, 0x1611D, kLetter}, {0x1611E, 0x1612F, kMark},
    {0x16130, 0x16139, kDigit}, {0x16D40, 0x16D42, kModifier}, {0x16D43, 0x16D6A, kLetter},
    {0x16D6B, 0x16D6C, kModifier}, {0x16D6D, 0x16D6F, kPunctuation}, {0x16D70, 0x16D79, kDigit},
    {0x18CFF, 0x18CFF, kLetter}, {0x1B132, 0x1B132, kLetter}, {0x1B155, 0x1B155, kLetter}, {0x1CC00, 0x1CCEF, kSymbol},
    {0x1CCF0, 0x1CCF9, kDigit}, {0x1CD00, 0x1CEB3, kSymbol}, {0x1D2C0, 0x1D2D3, kNumber}, {0x1DF25, 0x1DF2A, kLower},
    {0x1E030, 0x1E06D, kModifier}, {0x1E08F, 0x1E08F, kMark}, {0x1E4D0, 0x1E4EA, kLetter},
    {0x1E4EB, 0x1E4EB, kModifier}, {0x1E4EC, 0x1E4EF, kMark}, {0x1E4F0, 0x1E4F9, kDigit}, {0x1E5D0, 0x1E5ED, kLetter},
    {0x1E5EE, 0x1E5EF, kMark}, {0x1E5F0, 0x1E5F0, kLetter}, {0x1E5F1, 0x1E5FA, kDigit},
    {0x1E5FF, 0x1E5FF, kPunctuation}, {0x1F6DC, 0x1F6DC, kSymbol}, {0x1F774, 0x1F776, kSymbol},
    {0x1F77B, 0x1F77F, kSymbol}, {0x1F7D9, 0x1F7D9, kSymbol}, {0x1F8B2, 0x1F8BB, kSymbol}, {0x1F8C0, 0x1F8C1, kSymbol},
    {0x1FA75, 0x1FA77, kSymbol}, {0x1FA87, 0x1FA89, kSymbol}, {0x1FA8F, 0x1FA8F, kSymbol}, {0x1FAAD, 0x1FAAF, kSymbol},
    {0x1FABB, 0x1FABF, kSymbol}, {0x1FAC6, 0x1FAC6, kSymbol}, {0x1FACE, 0x1FACF, kSymbol}, {0x1FADA, 0x1FADC, kSymbol},
    {0x1FADF, 0x1FADF, kSymbol}, {0x1FAE8, 0x1FAE9, kSymbol}, {0x1FAF7, 0x1FAF8, kSymbol}, {0x1FBCB, 0x1FBEF, kSymbol},
    {0x2B739, 0x2B739, kLetter}, {0x2EBF0, 0x2EE5D, kLetter}, {0x31350, 0x323AF, kLetter},
};
// clang-format on

/// The entry of a table sorted by code point that holds `c`, or nullptr.
template <class Entry, size_t size>
const Entry* find_range(const Entry (&table)[size], char32_t c) {
  const Entry* entry = std::upper_bound(std::begin(table), std::end(table), c,
                                        [](char32_t value, const Entry& candidate) { return value < candidate.first; });
  if (entry == std::begin(table)) return nullptr;
  --entry;
  return c <= entry->last ? entry : nullptr;
}

}  // namespace

bool is_unknown_to_reference_nfc(char32_t code_point) { return find_range(kNewerThanUnicode9, code_point) != nullptr; }

std::optional<std::string> with_reference_categories(std::string_view text) {
  std::optional<std::string> replaced;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<uint8_t>(text[at]) < 0xE0) {  // the table starts at U+0800
      ++at;
      continue;
    }
    const auto [value, length] = next_code_point(text, at);
    if (const Override* entry = find_range(kOverrides, value)) {
      std::string stand_in;
      append_utf8(stand_in, length == 3 ? entry->stand_in.three_bytes : entry->stand_in.four_bytes);
      if (!replaced) replaced.emplace(text);
      replaced->replace(at, length, stand_in);
    }
    at += length;
  }
  return replaced;
}

}  // namespace llmdit::text
