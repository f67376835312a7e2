#include <algorithm>
#include <cctype>
#include <numeric>

#include "base/check.hpp"
#include "base/parse_choice.hpp"
#include "llmdit/options.hpp"

namespace llmdit {
namespace {

/// Case, and which line joins words, make no other name.
bool is_like(char a, char b) {
  const auto plain = [](char c) { return c == '-' ? '_' : std::tolower(static_cast<unsigned char>(c)); };
  return plain(a) == plain(b);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (is_like(a[i - 1], b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest_name(std::string_view full_word, std::span<const std::string_view> candidates) {
  const std::string_view word = full_word.substr(0, 64);
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (std::string_view candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view given, std::span<const std::string_view> known) {
  const std::string_view guess = nearest_name(given, known);
  return guess.empty() ? "" : fmt::format("; did you mean {}?", guess);
}

void unknown_choice(std::string_view operation, std::string_view given, std::span<const std::string_view> known) {
  fail(ErrorCode::invalid_argument, operation, "expected one of {}, got '{}'{}", fmt::join(known, ", "), given,
       did_you_mean(given, known));
}

}  // namespace llmdit
