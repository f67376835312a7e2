#include "text/nfc.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/check.hpp"
#include "text/unicode_versions.hpp"
#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

enum class Kind {
  inert,    ///< unknown to the reference: changes nothing and combines with nothing
  stable,   ///< starts a segment that can be normalised on its own
  unstable  ///< may move, decompose, or combine with what stands before it
};

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

Kind kind_of(char32_t c) {
  if (c < 0x300) return Kind::stable;  // the accented letters below decompose, but to come back
  if (in(c, 0xAC00, 0xD7A3)) return Kind::stable;
  if (in(c, 0x1161, 0x1175) || in(c, 0x11A8, 0x11C2)) return Kind::unstable;  // vowels and finals join a syllable
  if (is_unknown_to_reference_nfc(c)) return Kind::inert;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  const bool decomposes = property->decomp_type == 0 && property->decomp_seqindex != UINT16_MAX;
  // Whatever combines with the code point before it is a mark, also the few of combining class 0.
  const bool is_mark = property->category >= UTF8PROC_CATEGORY_MN && property->category <= UTF8PROC_CATEGORY_ME;
  return decomposes || is_mark || property->combining_class != 0 ? Kind::unstable : Kind::stable;
}

utf8proc_propval_t combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

/// Normalises a segment: a stable code point and the unstable ones after it. utf8proc sorts marks in quadratic time, so
/// it only decomposes and composes here.
void append_normalized(std::string& out, std::string_view segment, std::vector<utf8proc_int32_t>& points) {
  points.clear();
  for (size_t at = 0; at < segment.size();) {
    const auto [value, length] = next_code_point(segment, at);
    at += length;
    utf8proc_int32_t decomposed[8];
    int boundary_class = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(value), decomposed, std::size(decomposed),
                                static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary_class);
    if (count < 0 || static_cast<size_t>(count) > std::size(decomposed)) {
      fail(ErrorCode::internal, "tokenizer", "utf8proc cannot decompose U+{:04X}", static_cast<uint32_t>(value));
    }
    points.insert(points.end(), decomposed, decomposed + count);
  }
  for (auto first = points.begin(); first != points.end();) {
    if (combining_class(*first) == 0) {
      ++first;
      continue;
    }
    const auto last = std::find_if(first, points.end(), [](auto c) { return combining_class(c) == 0; });
    std::stable_sort(first, last, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    first = last;
  }
  const auto size = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                             static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) fail(ErrorCode::internal, "tokenizer", "utf8proc cannot compose: {}", utf8proc_errmsg(size));
  for (utf8proc_ssize_t i = 0; i < size; ++i) append_utf8(out, static_cast<char32_t>(points[static_cast<size_t>(i)]));
}

}  // namespace

std::optional<std::string> nfc(std::string_view text) {
  std::optional<std::string> out;
  std::vector<utf8proc_int32_t> points;
  size_t copied = 0;
  size_t segment = 0;  // where the last stable code point stands, or the end of the last inert one
  for (size_t at = 0; at < text.size();) {
    if (static_cast<uint8_t>(text[at]) < 0xCC) {  // below U+0300
      segment = at;
      at += static_cast<uint8_t>(text[at]) < 0x80 ? 1 : 2;
      continue;
    }
    const auto [value, length] = next_code_point(text, at);
    const Kind kind = kind_of(value);
    if (kind != Kind::unstable) {
      segment = kind == Kind::stable ? at : at + length;
      at += length;
      continue;
    }
    size_t end = at + length;
    while (end < text.size()) {
      const auto next = next_code_point(text, end);
      if (kind_of(next.value) != Kind::unstable) break;
      end += next.length;
    }
    if (!out) out.emplace().reserve(text.size() + text.size() / 8);
    out->append(text.substr(copied, segment - copied));
    append_normalized(*out, text.substr(segment, end - segment), points);
    copied = segment = at = end;
  }
  if (out) out->append(text.substr(copied));
  return out;
}

}  // namespace llmdit::text
